"""What a root folder keeps for ever: the workspace's id, the key of its storage account, its token, where blobs are.

Addresses, keys and the token that were handed out stay valid over restarts. Only the user can read the file.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from pathlib import Path

from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local.record import write_private


def identity(root: Path) -> tuple[str, str]:
    """Return the workspace id and the account key of a root folder. The key is secret.

    Raises:
        LocalServiceError: they were made once and cannot be read now.
    """
    path = root / "identity.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return str(values["workspace_id"]), str(values["account_key"])
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise LocalServiceError(f"'{path}' cannot be read: {error}. Put it back, or use another root.") from error
    workspace_id, key = str(uuid.uuid4()), base64.b64encode(secrets.token_bytes(64)).decode()
    write_private(path, json.dumps({"workspace_id": workspace_id, "account_key": key}))
    return workspace_id, key


def bearer_token(account_key: str) -> str:
    """Return the token that requests must bear: the same for a root folder at each start. Secret, as its source is."""
    made = hmac.new(base64.b64decode(account_key), b"bearer token of the local service", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def keep_to_store(root: Path, kind: str) -> None:
    """Remember where the blobs of a root folder are; its inputs, models and results are only there.

    Raises:
        LocalServiceError: they are in another store than this one.
    """
    path = root / "store"
    kept = path.read_text(encoding="utf-8") if path.exists() else kind
    if kept != kind:
        raise LocalServiceError(
            f"The root folder '{root}' has its blobs in {kept}, not in {kind}. Pass the same storage= as before "
            "(nothing for its own blob store), or use another root: BatchClient.local(root)."
        )
    path.write_text(kept, encoding="utf-8")

"""Routes that need no token: what discovery says is no secret, and addresses of logs carry a signature."""

from __future__ import annotations

import hashlib
import hmac

DISCOVERY = "/discovery"
CLOUDS = "/metadata/endpoints"
LOGS = "/logs/"


def is_open(path: str) -> bool:
    """Whether a path is answered without a token."""
    return path in (DISCOVERY, CLOUDS) or path.startswith(LOGS)


def signature(token: str, path: str) -> str:
    """Return what a URL must carry so that ``path`` can be read without the token."""
    return hmac.new(token.encode(), path.encode(), hashlib.sha256).hexdigest()


def signed(token: str, path: str, given: str) -> bool:
    """Whether ``given`` is the signature of ``path``."""
    return hmac.compare_digest(signature(token, path).encode(), given.encode())

"""Routes that need no token: what discovery says is no secret; addresses of logs and pages carry a signature."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote

DISCOVERY = "/discovery"
CLOUDS = "/metadata/endpoints"
LOGS = "/logs/"
STUDIO = "/studio/runs/"


def is_open(path: str) -> bool:
    """Whether a path is answered without a token."""
    return path in (DISCOVERY, CLOUDS) or path.startswith((LOGS, STUDIO))


def signature(token: str, path: str) -> str:
    """Return what a URL must carry so that ``path`` can be read without the token."""
    return hmac.new(token.encode(), path.encode(), hashlib.sha256).hexdigest()


def studio_url(base_url: str, token: str, job: str) -> str:
    """Return the address of a job's page. It carries a signature."""
    return f"{base_url}{STUDIO}{quote(job)}?sig={signature(token, f'studio/{job}')}"


def signed(token: str, path: str, given: str) -> bool:
    """Whether ``given`` is the signature of ``path``."""
    return hmac.compare_digest(signature(token, path).encode(), given.encode())

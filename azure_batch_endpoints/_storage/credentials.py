"""What opens a container. Values only; no library is needed for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


@dataclass(frozen=True)
class ContainerCredential:
    """What opens a container: one of an account key, a shared access signature, or the user's own token.

    Attributes:
        account_key: key of the account, base64. Secret.
        sas: query text without ``?``. Secret.
        token: asked for tokens of the storage service.
    """

    account_key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)
    token: TokenCredential | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        """``account_key``, ``sas`` or ``token``."""
        return next((name for name in ("account_key", "sas", "token") if getattr(self, name)), "none")

    def __repr__(self) -> str:
        """Show which it is, and nothing of it."""
        return f"ContainerCredential({self.kind})"

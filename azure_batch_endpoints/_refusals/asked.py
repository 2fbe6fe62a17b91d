"""What was asked of whom, as far as the advice on a refusal needs it. A value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Plane = Literal["management", "ml", "storage"]
"""Whose token a request carries: the management service's, that of scoring and run history, or the storage's."""
PLANES: dict[Plane, str] = {
    "management": "the management service",
    "ml": "Azure Machine Learning (scoring, run history)",
    "storage": "the storage account",
}


@dataclass(frozen=True)
class Asked:
    """One request, in what matters for a role or a sign-in.

    Attributes:
        plane: whose token it carried.
        method: HTTP method; GET and HEAD only read.
        host: host that was asked.
        scope: ARM id of the workspace, empty when not known.
        credential: what signed it, e.g. ``DefaultAzureCredential``; empty when nothing did.
        account: name of the storage account, empty for other planes.
        signed: a shared access signature (SAS) opened it, not a person's token.
        about_compute: it was about a compute.
        local: the local service answers, whose texts bring their remedy along.
    """

    plane: Plane = "management"
    method: str = "GET"
    host: str = ""
    scope: str = ""
    credential: str = ""
    account: str = ""
    signed: bool = False
    about_compute: bool = False
    local: bool = False

    @property
    def reads(self) -> bool:
        """Whether nothing was to be changed."""
        return self.method.upper() in ("GET", "HEAD")

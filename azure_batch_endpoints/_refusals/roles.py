"""Which role is missing on what, and the command that grants it.

Sources: the built-in roles of Azure Machine Learning ("Manage access to Azure Machine Learning workspaces": the Data
Scientist may do everything in a workspace but make or delete computes), those of Blob Storage ("Authorize access to
blobs using Microsoft Entra ID"), and the words of the management service's refusal, which name action and scope.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from azure_batch_endpoints._refusals.asked import Asked

SCIENTIST, OPERATOR = "AzureML Data Scientist", "AzureML Compute Operator"
READER, WRITER = "Storage Blob Data Reader", "Storage Blob Data Contributor"
KEYS = "Storage Account Key Operator Service Role"
_ACTION = re.compile(r"(?i)\bperform\s+(?:the\s+)?actions?\(?s?\)?\s*'(?P<action>[\w.*]+/[^']+)'")
_SCOPE = re.compile(r"(?i)\bscopes?\(?s?\)?\s*'(?P<scope>/[^']+)'")
_WHO = re.compile(r"(?i)\bobject id '(?P<who>[0-9a-f-]{36})'")
_HOLDER = re.compile(
    r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/(?:workspaces|storageAccounts)/[^/]+"
)
_CHANGES_COMPUTE = re.compile(r"(?i)/computes/(?:write|delete|\w+/action)$")


@dataclass(frozen=True)
class Missing:
    """What a person or program lacks.

    Attributes:
        role: name of a built-in role that has it.
        where: what it is needed on, in words.
        scope: the same as an ARM id, or as a command that finds it.
        action: the service's name for what was not allowed; empty when it did not say.
        who: object id of the one who lacks it, as the service said.
    """

    role: str
    where: str
    scope: str
    action: str = ""
    who: str = ""

    def __str__(self) -> str:
        """Return the advice: role, scope, action, and the command that grants it."""
        action = f" for the action '{self.action}'" if self.action else ""
        who = self.who or "<your object id>"
        return (
            f"The role '{self.role}' on {self.where} is missing{action}. Ask an owner to run: "
            f'az role assignment create --role "{self.role}" --assignee {who} --scope {self.scope} '
            "(it may take some minutes until it counts)."
        )


def missing(message: str, asked: Asked) -> Missing:
    """Return what is missing, from the service's words as far as they say, else from what was asked."""
    action, scope, who = _ACTION.search(message), _SCOPE.search(message), _WHO.search(message)
    did = action["action"] if action else ""
    over = _holder(scope["scope"]) if scope else ""
    person = who["who"] if who else ""
    if did.lower().startswith("microsoft.storage/") or (not did and asked.plane == "storage"):
        account = over.rsplit("/", 1)[-1] if over else asked.account or asked.host.partition(".")[0]
        found = f"$(az storage account show --name {account} --query id --output tsv)"
        return Missing(_storage_role(did, asked), f"the storage account '{account}'", over or found, did, person)
    over = over or asked.scope
    role = OPERATOR if _CHANGES_COMPUTE.search(did) or (not did and _is_compute(asked)) else SCIENTIST
    name = over.rsplit("/", 1)[-1] if over else ""
    where = f"the workspace '{name}'" if "/workspaces/" in over else f"'{over}'" if over else "the workspace"
    return Missing(role, where, over or "<id of the workspace>", did, person)


def _holder(scope: str) -> str:
    """Return the workspace or account that a scope lies in: roles are given there, not on each endpoint."""
    found = _HOLDER.match(scope)
    return found[0] if found else scope


def _storage_role(action: str, asked: Asked) -> str:
    if "listkeys" in action.lower():
        return KEYS
    if action:
        return READER if action.lower().endswith("/read") else WRITER
    return READER if asked.reads else WRITER


def _is_compute(asked: Asked) -> bool:
    return asked.about_compute and not asked.reads

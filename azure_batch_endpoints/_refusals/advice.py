"""What to do about a refusal: by its code where that tells more, else by its status.

Codes of storage: "Common REST API error codes" and "Blob service error codes". Codes of the management service:
"Resolve common errors in Azure deployments", and recorded answers. ``<…>`` is filled in with what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from azure_batch_endpoints._refusals.asked import PLANES, Asked
from azure_batch_endpoints._refusals.bodies import Said
from azure_batch_endpoints._refusals.roles import missing

_NETWORK = (
    "The account's network rules (firewall, private endpoint) may refuse this machine, or the credential has no role "
    "there. Run from a network that is allowed, or allow this address: az storage account network-rule add "
    "--account-name <account> --ip-address <your address>."
)
_SIGNATURE = "Make a new shared access signature (SAS) with {} and pass that."
_BY_CODE: dict[str, str] = {
    # storage, 403
    "AuthorizationFailure": _NETWORK,
    "AuthenticationFailed": (
        "The key or signature is not the account's (renewed keys, an expired signature) or this machine's clock is "
        "wrong. Renew the key or signature that the datastore keeps, or pass a new one; check the clock."
    ),
    "KeyBasedAuthenticationNotPermitted": (
        "The account '<account>' allows neither keys nor signatures made of them. Take the key out of the datastore "
        "(credential-less: az ml datastore create without credentials), and give yourself the role 'Storage Blob Data "
        "Contributor' on the account."
    ),
    "PublicAccessNotPermitted": (
        "The account '<account>' lets nobody in unsigned. Add a signature to the URL, or name a datastore."
    ),
    "NoAuthenticationInformation": "Nothing signed the request. Add a signature to the URL, or name a datastore.",
    "AuthorizationProtocolMismatch": _SIGNATURE.format("the protocol that is used (https)"),
    "AuthorizationSourceIPMismatch": _SIGNATURE.format("this machine's address in its range, or without a range"),
    "AuthorizationServiceMismatch": _SIGNATURE.format("the service Blob"),
    "AuthorizationResourceTypeMismatch": _SIGNATURE.format("the resource types Container and Object"),
    "InsufficientAccountPermissions": _SIGNATURE.format("the permissions read, write, create and list"),
    "AccountIsDisabled": (
        "The account '<account>' is disabled, often because its subscription is. Ask the subscription's owner."
    ),
    "InvalidAuthenticationInfo": "The token is expired or for another audience. Sign in again (az login).",
    # storage, other
    "ContainerNotFound": "Check the container's name, or create it.",
    "ContainerBeingDeleted": "Wait until it is gone (about half a minute), then try again.",
    "BlobNotFound": "Check the path; names are case-sensitive.",
    "InvalidResourceName": "Correct the container's name: 3 to 63 lower-case letters, digits and '-'.",
    "ServerBusy": "Wait and try again; more than the account can bear was asked at once.",
    # the management service
    "ExpiredAuthenticationToken": (
        "The token expired. Sign in again (az login), or pass a credential that renews its token."
    ),
    "InvalidAuthenticationTokenTenant": (
        "The token is of another tenant. Sign in to the subscription's tenant: az login --tenant <tenant>."
    ),
    "InvalidAuthenticationTokenAudience": (
        "The token is for another service. Pass a credential (it asks for the right one) in place of a token."
    ),
    "SubscriptionNotFound": (
        "Check subscription_id, and whether you are signed in to its tenant: az account list --output table."
    ),
    "ResourceGroupNotFound": "Check resource_group: az group list --output table.",
    "ResourceNotFound": "Check the name, and resource_group and workspace of the client.",
    "RequestDisallowedByPolicy": "Ask whoever keeps the policies of the subscription, or change what the policy names.",
    "ScopeLocked": "Ask an owner to remove the lock on the resource or its group: az lock list.",
    "QuotaExceeded": "Delete what is not needed, or ask for more quota (portal, Quotas).",
    "MissingSubscriptionRegistration": (
        "Register the resource provider: az provider register --namespace Microsoft.MachineLearningServices."
    ),
    "ReadOnlyDisabledSubscription": "The subscription is disabled and can only be read. Ask its owner to enable it.",
}
_ROLE_CODES = frozenset({"authorizationfailed", "linkedauthorizationfailed", "authorizationpermissionmismatch"})
_BY_STATUS: dict[int, str] = {
    400: "Change what the text names, then try again.",
    401: "Sign in again (az login), or pass another credential= to BatchClient.",
    402: "Ask the subscription's owner: it may be out of credit.",
    403: "Ask for the role that is named; grant it with: az role assignment create.",
    404: "Check the name, and resource_group and workspace of the client.",
    405: "Check base_url and api_version of the client: the service does not know this call.",
    407: "Give the proxy its name and password in HTTPS_PROXY.",
    408: "Try again.",
    409: "Wait until it is done or take another name, then try again.",
    410: "Check the name: it is gone.",
    412: "Read it again (refresh()), then try again.",
    413: "Send less at once.",
    429: "Wait and try again.",
    500: "Try again; if it persists, report the request id to Azure support.",
    502: "Try again; if it persists, check the proxy or gateway in between.",
    503: "Wait and try again.",
    504: "Look whether it was done before you try again.",
}
_TENANT = re.compile(r"authorization_uri=\"?https://[^/\"]+/([0-9a-zA-Z.-]+)")
_RIGHT_TENANT = re.compile(r"(?i)authority \(URL\) '?https://[^/\s']+/([0-9a-z.-]*[0-9a-z])")
"""In the message of ``InvalidAuthenticationTokenTenant``, which names the tenant of the token before it."""
_EXPIRED = re.compile(r"(?i)lifetime|expired|\bexp\b|not valid in the specified time")
_HOLDS = re.compile(r"(?i)Start\s*\[([^]]*)]\s*-\s*Expiry\s*\[([^]]*)]")
_WRONG_AUDIENCE = re.compile(r"(?i)audience")


def by_code() -> Iterator[tuple[str, str]]:
    """Yield each code and its advice, for the docs."""
    yield from _BY_CODE.items()
    yield (
        "AuthorizationFailed`, `LinkedAuthorizationFailed`, `AuthorizationPermissionMismatch",
        "The role that is named, on the scope that is named, is missing. Ask an owner to run the command of the text: "
        'az role assignment create --role "<role>" --assignee <you> --scope <scope>.',
    )


def by_status() -> Iterator[tuple[int, str]]:
    """Yield each status and the advice when the code tells no more, for the docs."""
    yield from _BY_STATUS.items()


def advised(status: int, code: str | None, said: Said, headers: Mapping[str, str], asked: Asked) -> str:
    """Return what to do, in a sentence or more; empty when the text says it already."""
    known = (code or "").lower()
    if asked.local and said.message and said.request_id:
        return ""  # the local service's texts bring it along
    if status == 401:
        return _sign_in(known, said, headers, asked)
    if asked.signed and status == 403:
        return _signature(code, said)
    if known in _ROLE_CODES or (status == 403 and not _told(known)):
        return str(missing(said.message or "", asked))
    special = _told(known)
    if asked.plane != "storage" and known in ("authenticationfailed", "authorizationfailure"):
        special = ""
    text = special or _BY_STATUS.get(status, _BY_STATUS[500] if status >= 500 else _BY_STATUS[400])
    account = asked.account or asked.host.partition(".")[0]
    return text.replace("<account>", account) if account else text


def _told(code: str) -> str:
    return next((advice for name, advice in _BY_CODE.items() if name.lower() == code), "")


def _sign_in(code: str, said: Said, headers: Mapping[str, str], asked: Asked) -> str:
    """Say which token was refused by whom, and how to get a good one."""
    challenge = headers.get("www-authenticate", "")
    words = f"{code} {said.message or ''} {challenge}"
    token = f"the token of {asked.credential}" if asked.credential else "the token"
    why = ""
    if _EXPIRED.search(words):
        why = ": it has expired"
    elif _WRONG_AUDIENCE.search(words):
        why = ": it is meant for another audience"
    tenant = _TENANT.search(challenge) or _RIGHT_TENANT.search(said.message or "")
    command = f"az login --tenant {tenant[1]}" if tenant and tenant[1] != "common" else "az login"
    whom = PLANES[asked.plane][0].upper() + PLANES[asked.plane][1:]
    again = "Sign in to the subscription's tenant" if "tenant" in code else "Sign in again"
    return f"{whom} did not accept {token}{why}. {again} ({command}), or pass another credential= to BatchClient."


def _signature(code: str | None, said: Said) -> str:
    holds = _HOLDS.search(said.detail or said.message or "")
    if holds:
        return f"The signature (SAS) held from {holds[1]} to {holds[2]}. Make a new one and pass that."
    if code in ("AuthorizationPermissionMismatch", "AuthorizationFailure") or not _told((code or "").lower()):
        return (
            "Check until when the signature (SAS) holds, what it allows (inputs: read and list; results: write and "
            "create too), and whether the account's network rules let this machine in."
        )
    if code == "AuthenticationFailed":
        return "Check until when the signature (SAS) holds, and whether it was pasted whole; or make a new one."
    return _told((code or "").lower())

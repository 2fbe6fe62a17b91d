"""What a client asks its workspace once and then knows: region, discovery, default datastore, ways into containers.

Every management request of the package passes :meth:`Workspace.send`. What is asked for, and what an answer means, is
decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from azure_batch_endpoints._http import Answer, Deadline
from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._refusals import UNREADABLE, unread
from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints._wire import models, routes
from azure_batch_endpoints._wire.uris import storage_place
from azure_batch_endpoints.errors import (
    ForeignHostError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    ServiceError,
    TransportError,
)

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from azure_batch_endpoints._http import Session

SECRET_SECONDS = 30 * 60.0
"""How long an account key or SAS is used before it is asked for again."""
_SUCCESS = (200, 201, 202, 204)
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Opened:
    """A datastore's container and when its secret was asked for (seconds of the session's clock)."""

    container: Container
    asked: float


class Workspace:
    """One workspace as seen by one client; safe to share between threads.

    Attributes:
        session: the way to the service.
        path: ids and routes.
        api_version: management api-version.
    """

    def __init__(
        self,
        session: Session,
        path: routes.WorkspacePath,
        *,
        api_version: str = routes.API_VERSION,
        credential: TokenCredential | None = None,
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            session: the way to the service; the caller closes it.
            path: the workspace.
            api_version: management api-version.
            credential: the user's own, for datastores without a secret; None on the local service.
        """
        self.session = session
        self.path = path
        self.api_version = api_version
        self._credential = credential
        self._lock = RLock()
        self._known: dict[str, Any] = {}
        self._opened: dict[str, _Opened] = {}
        self._others: dict[tuple[str, str], Container] = {}

    def __repr__(self) -> str:
        """Show the workspace's id."""
        return f"Workspace({str(self.path)!r})"

    @property
    def params(self) -> dict[str, str]:
        """Query of every management request."""
        return {"api-version": self.api_version}

    def send(
        self,
        method: str,
        url: str,
        *,
        action: str,
        json: object = None,
        params: Mapping[str, str | int | bool | None] | None = None,
        expected: Collection[int] = _SUCCESS,
        retry_post: bool = False,
        deadline: Deadline | None = None,
    ) -> Answer:
        """Send one management request with the api-version; arguments and errors as those of ``Session.send``."""
        query = {**self.params, **(params or {})}
        return self.session.send(
            method,
            url,
            params=query,
            json=json,
            expected=expected,
            retry_post=retry_post,
            action=action,
            deadline=deadline,
        )

    @property
    def location(self) -> str:
        """Azure region of the workspace; 1 request once."""
        return str(self._workspace().get("location") or "")

    @property
    def api_url(self) -> str:
        """Base URL of run history and of the job lists, as discovery names it; 2 requests once."""
        return str(self._once("api", self._discover))

    @property
    def default_datastore(self) -> str:
        """Name of the default datastore; 1 request once."""
        return str(self._default().name)

    def studio_url(self, job: str) -> str:
        """Return the page of a job in the cloud's studio, empty for none; nothing is asked."""
        return self.path.studio_url(job, self.session.cloud.studio_url) if job else ""

    def container(self, datastore: str | None = None) -> Container:
        """Return the container of a datastore, opened with its secret or, where it keeps none, the user's credential.

        The client keeps it; do not close it. 2 requests, then none for 30 minutes.

        Args:
            datastore: its name; None: the default one.

        Raises:
            NotFoundError: there is no such datastore.
            InvalidInputError: it is no blob datastore.
            PermissionDeniedError: the user may neither see its secret nor has a credential for storage.
        """
        with self._lock:
            name = datastore or self.default_datastore
            known = self._opened.get(name)
            now = self.session.clock.monotonic()
            if known is None or now - known.asked > SECRET_SECONDS:
                known = self._opened[name] = _Opened(self._open(name), now)
            return known.container

    def container_of(self, uri: str) -> tuple[Container, str]:
        """Return the container a storage URI is in, and the name of the blob or folder there.

        A datastore is opened as :meth:`container` does. An ``https`` or ``wasbs`` URL in a datastore's container that
        was used before, or in the default one, is opened the same way; any other by the SAS in the URL, or as public.

        Raises:
            InvalidInputError: it is no storage URI.
        """
        place = storage_place(uri)
        if place is None:
            raise InvalidInputError(
                f"'{uri.split('?', 1)[0]}' is not a storage URI. "
                "Write https://…, wasbs://…, abfss://… or azureml://datastores/<name>/paths/<path>."
            )
        if place.datastore is not None:
            return self.container(place.datastore), place.path
        url = str(place.container_url)
        own = None if place.sas else self._own(url)
        return own or self._other(url, place.sas), place.path

    def close(self) -> None:
        """Close the containers' connections."""
        with self._lock:
            containers = [one.container for one in self._opened.values()] + list(self._others.values())
            self._opened.clear()
            self._others.clear()
        for container in containers:
            container.close()

    def _once(self, what: str, ask: Callable[[], object]) -> Any:  # noqa: ANN401 (of several kinds)
        with self._lock:
            if what not in self._known:
                self._known[what] = ask()
            return self._known[what]

    def _workspace(self) -> dict[str, Any]:
        def ask() -> object:
            return self.send("GET", str(self.path), action=f"read workspace '{self.path.name}'").body

        body = self._once("workspace", ask)
        return body if isinstance(body, dict) else {}

    def _discover(self) -> str:
        action = f"find the services of workspace '{self.path.name}'"
        properties = self._workspace().get("properties")
        url = properties.get("discoveryUrl") if isinstance(properties, dict) else None
        if not url:
            raise ServiceError(f"Could not {action}: it names no discovery URL. Try again later.", status_code=200)
        self.session.allow(str(url), named_by="the workspace's discoveryUrl", action=action)
        # The discovery URL is asked without a credential, as every client does (azure-ai-ml 1.35.2).
        body = self.session.send("GET", str(url), audience=None, action=action).body
        api = str(body.get("api") or "") if isinstance(body, dict) else ""
        if not api:
            raise ServiceError(f"Could not {action}: discovery names no 'api'. Try again later.", status_code=200)
        self.session.allow(api, named_by="discovery's 'api'", action=action)
        return api.rstrip("/")

    def _default(self) -> models.DatastoreBody:
        body: models.DatastoreBody = self._once("default datastore", self._ask_default)
        return body

    def _ask_default(self) -> models.DatastoreBody:
        action = f"find the default datastore of workspace '{self.path.name}'"
        answer = self.send(
            "GET", self.path.datastores(), params={"count": 30, "isDefault": True, "orderByAsc": False}, action=action
        )
        listed = answer.body.get("value") if isinstance(answer.body, dict) else None
        found = listed if isinstance(listed, list) else []
        read = [understood(models.DatastoreBody.read, one) for one in found]
        default = next((one for one in read if one.properties.is_default), read[0] if len(read) == 1 else None)
        if default is None or not default.name:
            raise NotFoundError(
                f"Could not {action}: it has none. Set one in the studio (Data, Datastores).", status_code=404
            )
        return default

    def _open(self, name: str) -> Container:
        default = self._known.get("default datastore")
        if default is not None and default.name == name:
            body = default
        else:
            answer = self.send("GET", self.path.datastore(name), action=f"open datastore '{name}'")
            body = understood(models.DatastoreBody.read, answer.body)
        url, service = self._container_url(body, name), self.session.base_url
        within = leads_here(service) and urlsplit(url).netloc == urlsplit(service).netloc
        beside = leads_here(service) and not within and name == self.default_datastore
        reviver = self.session.reviver if within or beside else None
        return Container(
            url, self._credential_of(body, name), of_service=within, beside_service=beside, reviver=reviver
        )

    def _credential_of(self, body: models.DatastoreBody, name: str) -> ContainerCredential | None:
        kind = str((body.properties.credentials or {}).get("credentialsType") or "None").lower()
        if kind in {"accountkey", "sas"}:
            try:
                secret = self._secret(name)
            except PermissionDeniedError:
                # A role without listSecrets may still reach the blobs themselves.
                if self._credential is None:
                    raise
                secret = None
            if secret is not None:
                return secret
        return None if self._credential is None else self._own_token(body, name)

    def _own_token(self, body: models.DatastoreBody, name: str) -> ContainerCredential:
        """The user's own credential opens containers of the cloud's storage only, whatever host a datastore names."""
        host = urlsplit(self._container_url(body, name)).hostname or ""
        if not host.endswith(tuple(f".{domain}" for domain in self.session.cloud.blob_domains)):
            raise ForeignHostError(
                f"Could not open datastore '{name}': its host '{host}' is no storage of {self.session.cloud.name}, and "
                "it gave no secret of its own. Nothing was sent there, no token either. Check the datastore.",
                host=host,
            )
        return ContainerCredential(token=self._credential)

    def _secret(self, name: str) -> ContainerCredential | None:
        url = f"{self.path.datastore(name)}/listSecrets"
        answer = self.send("POST", url, retry_post=True, action=f"read the secret of datastore '{name}'").body
        body = answer if isinstance(answer, dict) else {}
        if body.get("key"):
            return ContainerCredential(account_key=str(body["key"]))
        sas = str(body.get("sasToken") or "").lstrip("?")
        return ContainerCredential(sas=sas) if sas else None

    def _container_url(self, body: models.DatastoreBody, name: str) -> str:
        of = body.properties
        container = of.container_name or (of.model_extra or {}).get("filesystem")
        if of.datastore_type not in {"AzureBlob", "AzureDataLakeGen2"} or not of.account_name or not container:
            raise InvalidInputError(
                f"Datastore '{name}' is of type '{of.datastore_type}', which holds no blobs. Name a blob datastore."
            )
        endpoint, protocol = (of.endpoint or self.session.cloud.storage_suffix).rstrip("/"), of.protocol or "https"
        # The local service's datastores name a loopback address: there the account is the first part of the path.
        if leads_here(f"//{endpoint}"):
            return f"{protocol}://{endpoint}/{of.account_name}/{container}"
        return f"{protocol}://{of.account_name}.blob.{endpoint}/{container}"

    def _own(self, url: str) -> Container | None:
        with self._lock:
            default = self._container_url(self._default(), self.default_datastore)
            if _same(url, default):
                return self.container()
            return next(
                (self.container(name) for name, one in self._opened.items() if _same(url, one.container.url)), None
            )

    def _other(self, url: str, sas: str) -> Container:
        with self._lock:
            if (url, sas) not in self._others:
                self._others[url, sas] = Container(url, ContainerCredential(sas=sas) if sas else None)
            return self._others[url, sas]


def understood(read: Callable[[object], _T], data: object) -> _T:
    """Return an answer's body as ``read`` makes it.

    Raises:
        TransportError: it has another shape than this version knows.
    """
    try:
        return read(data)
    except UNREADABLE as error:
        named = data if isinstance(data, dict) else {}
        names = (named.get("id"), named.get("name"))
        name = next((one for one in names if isinstance(one, str) and one), "the service")
        raise TransportError(
            f"The answer about '{name}' cannot be read: {unread(error)}. The service may have done what was asked. "
            "Look at what there is; if this stays, look for a newer version of this package."
        ) from error


def _same(one: str, other: str) -> bool:
    return one.replace(":443/", "/", 1).lower() == other.replace(":443/", "/", 1).lower()

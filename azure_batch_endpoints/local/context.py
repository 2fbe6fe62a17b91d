"""What every handler is given: settings, state, blob store, addresses, and the queue of jobs.

Here: values and one Protocol. Not here: how any of it came to be (``server``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._wire.routes import WorkspacePath
from azure_batch_endpoints._wire.uris import web_address
from azure_batch_endpoints.local.job import ServiceSettings, StoreAddress
from azure_batch_endpoints.local.state import State


class JobQueue(Protocol):
    """Where jobs go to be done; the scheduler."""

    def submit(self, name: str) -> None:
        """Take up the job of this name, which is in the state already; returns at once."""

    def cancel(self, name: str) -> None:
        """Stop the job of this name; it is CancelRequested or has ended when this returns. Twice is fine."""


@dataclass(frozen=True)
class ServiceContext:
    """One running service.

    Attributes:
        settings: how it was started.
        state: what it knows.
        store: its blob store.
        base_url: ``http://127.0.0.1:<port>``, without trailing slash.
        token: what every request must bear. Secret.
        workspace_id: GUID of its workspace; containers are named by it.
        queue: where jobs go.
    """

    settings: ServiceSettings
    state: State
    store: StoreAddress
    base_url: str
    token: str = field(repr=False)
    workspace_id: str
    queue: JobQueue

    @property
    def workspace(self) -> WorkspacePath:
        """Ids of the workspace."""
        return self.settings.workspace

    def current(self, uri: str) -> str:
        """Return a URL into the service's own store with the port that the store has now.

        Assets are registered by URL, and a store on this machine gets another port with each start. A loopback URL
        whose first part is the store's account is the store's, whatever its port; so is the one that the samples put
        together from a datastore, ``http://<account>.blob.<endpoint>/``. Every other URI comes back as it is.
        """
        address = web_address(uri)
        if address is None or self.settings.storage not in (None, "azurite"):
            return uri
        query = f"?{address.query}" if address.query else ""
        _, blob, host = address.host.lower().partition(f"{self.store.account}.blob.")
        if blob and leads_here(f"//{host}"):
            return f"{self.store.endpoint}/{address.path}{query}"
        account, slash, rest = address.path.lstrip("/").partition("/")
        if account != self.store.account or not leads_here(f"//{address.host}"):
            return uri
        return self.store.endpoint + slash + rest + query

"""How a running job and the scheduler talk: what a job may ask for, and how it ends early. Values and names only."""

from __future__ import annotations

import threading
from typing import Protocol

from azure_batch_endpoints.states import JobStatus


class JobFailed(Exception):
    """The job cannot go on; the text is the user's: what happened, which input, what to do."""


class Interrupted(Exception):
    """The job was cancelled, or the service is ending; the scheduler knows which."""


class JobControl(Protocol):
    """What the scheduler offers to a job it runs."""

    cancel: threading.Event
    """Set when the job is to stop, for whatever reason."""
    canceled: bool
    """Whether it is a user who wants it stopped; else it is the service that ends."""

    def enter(self, status: JobStatus) -> None:
        """Move on to a status.

        Raises:
            Interrupted: the job is to stop.
        """
        ...

    def check(self) -> None:
        """Raise `Interrupted` when the job is to stop."""
        ...

    def note_progress(self, text: str) -> None:
        """Keep how far the job is, as JSON text."""
        ...

    def note_rows(self, text: str) -> None:
        """Keep what kind of rows came, as JSON text."""
        ...

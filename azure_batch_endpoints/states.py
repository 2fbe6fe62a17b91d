"""The states of endpoints, deployments and computes, and the statuses of jobs. Words of the service; nothing else."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

_Word = TypeVar("_Word", bound=Enum)


class ProvisioningState(str, Enum):
    """State of an endpoint, deployment or compute; an unknown word of the service becomes ``UNKNOWN``."""

    CREATING = "Creating"
    """Being made; the first state of an endpoint."""
    UPDATING = "Updating"
    """Being changed; also the first state of a deployment."""
    SCALING = "Scaling"
    """Nodes are being added or removed."""
    DELETING = "Deleting"
    """Being removed."""
    SUCCEEDED = "Succeeded"
    """Ready for use."""
    FAILED = "Failed"
    """Could not be made or changed."""
    CANCELED = "Canceled"
    """Making it was called off."""
    UNKNOWN = "Unknown"
    """A word this version does not know; not terminal."""

    def __str__(self) -> str:
        """Return the service's word."""
        return str(self.value)

    @property
    def is_terminal(self) -> bool:
        """Whether the service is done with it, well or badly."""
        return self in _TERMINAL_STATES

    @classmethod
    def _missing_(cls, value: object) -> ProvisioningState:
        return _by_word(cls, value, cls.UNKNOWN)


class JobStatus(str, Enum):
    """Status of a job; an unknown word of the service becomes ``UNKNOWN``."""

    NOT_STARTED = "NotStarted"
    """Known to the service, nothing done yet."""
    STARTING = "Starting"
    """About to start."""
    PROVISIONING = "Provisioning"
    """Nodes are being made."""
    PREPARING = "Preparing"
    """Environment, model and inputs are being made ready."""
    QUEUED = "Queued"
    """Waits for free nodes, or for workers of the local service."""
    RUNNING = "Running"
    """Mini-batches are being scored."""
    FINALIZING = "Finalizing"
    """Scored; the output is being put in place."""
    CANCEL_REQUESTED = "CancelRequested"
    """Asked to stop, not stopped yet."""
    COMPLETED = "Completed"
    """Done; the results are there."""
    FAILED = "Failed"
    """Stopped by an error, or by more failed files than ``error_threshold`` allows."""
    CANCELED = "Canceled"
    """Stopped on request."""
    NOT_RESPONDING = "NotResponding"
    """The service lost sight of it; terminal as the service treats it."""
    PAUSED = "Paused"
    """Paused; terminal for streaming and download as the official client treats it."""
    UNKNOWN = "Unknown"
    """A word this version does not know; not terminal."""

    def __str__(self) -> str:
        """Return the service's word."""
        return str(self.value)

    @property
    def is_terminal(self) -> bool:
        """Whether the job will not change any more."""
        return self in _TERMINAL_STATUSES

    @classmethod
    def _missing_(cls, value: object) -> JobStatus:
        return _by_word(cls, value, cls.UNKNOWN)


_TERMINAL_STATES = frozenset({ProvisioningState.SUCCEEDED, ProvisioningState.FAILED, ProvisioningState.CANCELED})
_TERMINAL_STATUSES = frozenset(
    {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.NOT_RESPONDING, JobStatus.PAUSED}
)


def _by_word(kind: type[_Word], value: object, unknown: _Word) -> _Word:
    word = str(value).replace("_", "").lower()
    return next((member for member in kind if str(member.value).lower() == word), unknown)

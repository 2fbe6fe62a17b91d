"""Which files a job reads: its input as a stream of entries in a fixed order. Nothing is fetched here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from functools import cached_property
from urllib.parse import parse_qs, unquote

from azure_batch_endpoints._storage.blobs import NOT_AN_ACCOUNT
from azure_batch_endpoints._wire.uris import shown, storage_place
from azure_batch_endpoints.errors import BatchEndpointsError, NotFoundError, ServiceError, TransportError
from azure_batch_endpoints.local import account_file
from azure_batch_endpoints.local.buckets import Bucket
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.job import JobInputSource
from azure_batch_endpoints.local.patient_store import PatientStore

Entry = tuple[str, str, int]
"""Path below the input folder (a single file: its own name), name in the bucket, size in bytes."""
_REFUSED = (401, 403, 404, 409)
"""How an account answers who may not list: 404 and 409, where a container is not open to everyone."""


class InputFiles:
    """The files of one input."""

    def __init__(self, store: PatientStore, given: JobInputSource) -> None:
        """Take down where the input is; nothing is asked yet.

        Raises:
            InvalidInputError: the URI leads nowhere the service can read.
        """
        self._uri = shown(given.uri)
        self._given = given
        self._place = storage_place(given.uri)
        self._as_file = store.open_file(given.uri)
        self._as_folder = self._as_file if given.kind == "file" and not given.either else store.open(given.uri)

    @property
    def bucket(self) -> Bucket:
        """Where the files are."""
        return (self._as_file if self._is_file else self._as_folder)[0]

    def __iter__(self) -> Iterator[Entry]:
        """Yield the files: every one below a folder, at any depth, by name; the same order each time.

        Raises:
            JobFailed: there is none, or the place cannot be listed.
        """
        yield from self._file() if self._is_file else self._folder()

    @cached_property
    def _is_file(self) -> bool:
        """What the input says it is; where it does not say, a file if there is one of that name."""
        if not self._given.either:
            return self._given.kind == "file"
        bucket, path = self._as_file
        if not path or self._uri.endswith("/"):
            return False
        with suppress(ServiceError):  # what it really is, the listing will say
            return bucket.find(path) is not None
        return False

    def _file(self) -> Iterator[Entry]:
        bucket, path = self._as_file
        try:
            found = bucket.find(path) if path and not path.endswith("/") else None
        except (ServiceError, TransportError) as error:
            remedy = self._about_signature(error, lists=False)
            what = "" if self._uri in str(error) else f"The input file '{self._uri}' cannot be read: "
            raise JobFailed(f"{what}{error} {remedy}".rstrip()) from error
        if found is None:
            if _holds_files(bucket, f"{path.rstrip('/')}/"):
                remedy = f'It is a folder: write folder("{self._uri}").'
            else:
                remedy = self._spelling(bucket) or "Check its name, or upload it first."
            raise JobFailed(f"There is no file '{self._uri}' to score. {remedy}")
        yield path.rstrip("/").rpartition("/")[2], found.name, found.size

    def _folder(self) -> Iterator[Entry]:
        bucket, path = self._as_folder
        prefix = f"{path.rstrip('/')}/" if path.strip("/") else ""
        empty = True
        try:
            for found in bucket.list(prefix):
                # No input is a folder marker of some tools, nor the account of the job whose output this is.
                account = account_file.MARK in found.metadata or found.name.startswith(prefix + account_file.OF_DRIVER)
                if not found.name.endswith("/") and not account:
                    empty = False
                    yield found.name[len(prefix) :], found.name, found.size
        except (ServiceError, TransportError) as error:
            raise self._unlisted(error) from error
        if empty:
            is_file = bool(prefix) and bucket.find(prefix.rstrip("/")) is not None
            if is_file:
                remedy = f'It is a file: write file("{self._uri.rstrip("/")}").'
            else:
                remedy = self._spelling(bucket) or "Check its name, or upload files first."
            raise JobFailed(f"The input folder '{self._uri}' holds no files. {remedy}")

    def _unlisted(self, error: ServiceError | TransportError) -> JobFailed:
        remedy = self._about_signature(error, lists=True) or _listing_remedy(error)
        return JobFailed(f"The input folder '{self._uri}' cannot be listed: {error} {remedy}".rstrip())

    def _about_signature(self, error: ServiceError | TransportError, *, lists: bool) -> str:
        refused = isinstance(error, ServiceError) and error.status_code in _REFUSED
        return _signature_remedy(self._place.sas, lists=lists) if refused and self._place else ""

    def _spelling(self, bucket: Bucket) -> str:
        """Say it when the path is there with its ``%20`` decoded, which is not done to paths on a datastore."""
        place = self._place
        if place is None or place.datastore is None or (plain := unquote(place.path)) == place.path:
            return ""
        if not _holds_files(bucket, plain):
            return ""
        return f"There is '{plain}': paths on a datastore are not percent-encoded, so write it like this."


def _holds_files(bucket: Bucket, prefix: str) -> bool:
    """Whether a name begins so, as far as the place lets itself be listed."""
    with suppress(BatchEndpointsError):
        return next(bucket.list(prefix), None) is not None
    return False


def _listing_remedy(error: ServiceError | TransportError) -> str:
    if isinstance(error, NotFoundError) and error.code == "ContainerNotFound":
        return "Check the name of the container."
    if isinstance(error, ServiceError) and error.code != NOT_AN_ACCOUNT and error.status_code in _REFUSED:
        return (
            "A folder must be in a datastore, or in a container that anyone may list (public access level "
            "'container'); else add a signature with 'rl' to its URL, or name single files."
        )
    if "could not be reached" in str(error):
        return ""
    return (
        "Only a datastore or a blob container can be listed. A web server cannot list a folder: name single files of "
        "it, or download it and pass the local folder."
    )


def _signature_remedy(query: str, *, lists: bool) -> str:
    """Return what is wrong with a URL's signature, as far as it says so itself; empty when the URL has none."""
    fields = {name: values[0] for name, values in parse_qs(query).items()}
    if "sig" not in fields:
        return ""
    expiry, allowed = fields.get("se", ""), fields.get("sp", "")
    if _is_past(expiry):
        return f"The signature in its URL has expired ({expiry}): make a new one."
    if lists and allowed and "l" not in allowed:
        return (
            f"The signature in its URL allows '{allowed}', and a listing needs 'l': make one for the container with "
            "'rl', or name single files."
        )
    if allowed and "r" not in allowed:
        return f"The signature in its URL allows '{allowed}', and reading needs 'r': make another one."
    return "Check the signature in its URL, or make a new one" + (" for the container, with 'rl'." if lists else ".")


def _is_past(text: str) -> bool:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return time.replace(tzinfo=time.tzinfo or timezone.utc) < datetime.now(timezone.utc)

"""Containers without a store: addresses, secrets, and what errors are called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.core.pipeline.transport import HttpRequest, HttpResponse

from azure_batch_endpoints._storage.blobs import Container, ContainerCredential, container_sas
from azure_batch_endpoints._storage.failures import NOT_AN_ACCOUNT, translated
from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    ConflictError,
    InvalidInputError,
    LocalPathError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    ServiceError,
    TransportError,
)

KEY = "bm90IGEgcmVhbCBrZXk="


class Refusal(HttpResponse):
    """An answer with a status and headers, as azure-core hands it to its exceptions."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(HttpRequest("PUT", "https://acct.blob.core.windows.net/c/b?sig=SECRET"), None)
        self.status_code = status
        self.headers = dict(headers)
        self.reason = "because"
        self.content_type = "application/xml"

    def body(self) -> bytes:
        return b""


def test_an_account_in_the_cloud_is_read_from_its_host() -> None:
    container = Container("https://acct.blob.core.windows.net/data/")

    assert (container.account, container.name) == ("acct", "data")
    assert container.account_url == "https://acct.blob.core.windows.net"
    assert container.url == "https://acct.blob.core.windows.net/data"


def test_an_account_on_this_machine_is_read_from_its_path() -> None:
    container = Container("http://127.0.0.1:8000/acct/data", ContainerCredential(account_key=KEY))

    assert (container.account, container.name) == ("acct", "data")
    assert container.account_url == "http://127.0.0.1:8000/acct"


@pytest.mark.parametrize("url", ["https://acct.blob.core.windows.net", "data", "https://a.b/c?sig=SECRET"])
def test_an_address_that_names_no_container_is_refused_without_its_query(url: str) -> None:
    with pytest.raises(InvalidInputError, match="is not the URL of a container") as caught:
        Container(url)

    assert "SECRET" not in str(caught.value)


def test_a_credential_is_not_sent_over_plain_http_to_another_machine() -> None:
    with pytest.raises(InvalidInputError, match="plain http"):
        Container("http://store.example:10000/acct/data", ContainerCredential(sas="sig=SECRET"))


def test_no_secret_shows_in_a_repr() -> None:
    credential = ContainerCredential(account_key=KEY)
    container = Container("https://acct.blob.core.windows.net/data", credential)

    assert repr(credential) == "ContainerCredential(account_key)"
    assert repr(container) == "Container('https://acct.blob.core.windows.net/data')"
    assert repr(ContainerCredential()) == "ContainerCredential(none)"


def test_a_signature_names_its_rights_and_its_end() -> None:
    text = container_sas("acct", KEY, "data", hours=2, permissions="rl")

    assert "sp=rl" in text and "sr=c" in text and "sig=" in text and not text.startswith("?")


def test_importing_the_room_loads_no_storage_library() -> None:
    script = (
        "import sys; import azure_batch_endpoints._storage.assets, azure_batch_endpoints._storage.blobs;"
        "print([m for m in sys.modules if m.startswith(('azure.storage', 'obstore', 'pathspec', 'requests'))])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"


def raised(error: Exception, *, secret_url: bool = False) -> BatchEndpointsError:
    with (
        pytest.raises(BatchEndpointsError) as caught,
        translated("acct.blob.core.windows.net", "read blob 'b'", secret_url=secret_url),
    ):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("kind", "status", "code", "expected"),
    [
        (ResourceNotFoundError, 404, "BlobNotFound", NotFoundError),
        (ResourceExistsError, 409, "BlobAlreadyExists", ConflictError),
        (HttpResponseError, 412, "ConditionNotMet", ConflictError),
        (ClientAuthenticationError, 403, "AuthenticationFailed", PermissionDeniedError),
        (HttpResponseError, 503, "ServerBusy", ServerError),
    ],
)
def test_a_refusal_keeps_code_request_id_and_first_line(
    kind: type[HttpResponseError], status: int, code: str, expected: type[Exception]
) -> None:
    text = f"It was refused.\nRequestId:17\nTime:now\nErrorCode:{code}\nsig=SECRET"
    error = raised(kind(message=text, response=Refusal(status, {"x-ms-request-id": "17"})))

    assert type(error) is expected
    assert str(error).startswith("Could not read blob 'b': It was refused.")
    assert (getattr(error, "code", None), getattr(error, "request_id", None)) == (code, "17")
    assert "SECRET" not in str(error) and isinstance(error.__cause__, kind)


def test_no_answer_names_the_host_and_a_remedy() -> None:
    error = raised(ServiceRequestError("Max retries: /c/b?sig=SECRET"), secret_url=True)

    assert isinstance(error, TransportError)
    assert str(error) == (
        "Could not read blob 'b': the storage account at 'acct.blob.core.windows.net' could not be reached. "
        "Check the network, VPN and proxy (HTTPS_PROXY), then try again."
    )
    assert "SECRET" not in str(error.__cause__) and error.__suppress_context__


def test_half_an_answer_is_no_answer() -> None:
    assert "gave no whole answer" in str(raised(IncompleteReadError("cut")))


def test_a_local_file_that_fails_is_named() -> None:
    error = raised(PermissionError(13, "Permission denied", "/data/a.bin"))

    assert isinstance(error, LocalPathError) and error.path == Path("/data/a.bin")
    assert "the local file '/data/a.bin' failed (Permission denied)" in str(error)


def test_a_store_that_is_gone_is_a_transport_error_without_the_signature(unused_port: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{unused_port}/acct/data"
    with (
        Container(url, ContainerCredential(sas="sv=2021-12-02&sig=SECRET")) as container,
        pytest.raises(TransportError, match="start the storage service there") as caught,
    ):
        container.find("a")

    assert "SECRET" not in str(caught.value) and "SECRET" not in str(caught.value.__cause__)


def test_the_local_service_has_ended_only_when_its_own_store_is_gone() -> None:
    gone, host = ServiceRequestError("refused"), "127.0.0.1:9"
    with pytest.raises(TransportError, match=r"could not be reached\. The local service seems to have ended"):  # noqa: SIM117
        with translated(host, "read", secret_url=False, of_service=True):
            raise gone
    with pytest.raises(TransportError) as caught, translated(host, "read", secret_url=False):
        raise gone
    assert "local service" not in str(caught.value)


def answered(status: int, content_type: str) -> HttpResponseError:
    error = HttpResponseError("<!DOCTYPE HTML>\n<html>no</html>" if "html" in content_type else "No.")
    error.status_code = status
    error.response = SimpleNamespace(
        headers={"Content-Type": content_type, **({} if "html" in content_type else {"x-ms-version": "1"})}
    )
    return error


def test_a_web_servers_page_is_not_passed_on_as_an_error_of_storage() -> None:
    for status in (403, 404):
        with pytest.raises(ServiceError) as caught, translated("web:80", "list", secret_url=False):
            raise answered(status, "text/html;charset=utf-8")
        said = f"Could not list: 'web:80' answered {status} as a web server, not as a storage account."
        assert (str(caught.value), caught.value.code) == (said, NOT_AN_ACCOUNT)


def test_a_refused_signature_gets_no_advice_about_roles() -> None:
    with_role = "The role 'Storage Blob Data Reader' on the storage account"
    for secret_url, advice in ((True, "Check until when the signature (SAS) holds"), (False, with_role)):
        with pytest.raises(PermissionDeniedError) as caught, translated("acct", "list", secret_url=secret_url):
            raise answered(403, "application/xml")
        assert advice in str(caught.value) and ("role" in str(caught.value)) == (not secret_url)


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Single files of web servers that are no storage account: what they send is taken whole, or said to be wrong."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from azure_batch_endpoints._wire.uris import web_address
from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    ServiceError,
    TransportError,
)
from azure_batch_endpoints.local import web_file as module
from azure_batch_endpoints.local.web_file import WebFile
from tests.local.web_server import Answer, Web, answer, web_server


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0))
    with web_server() as web:
        yield web


def at(url: str) -> WebFile:
    address = web_address(url)
    assert address is not None
    return WebFile(address)


def fetched(url: str, folder: Path) -> bytes:
    file = at(url)
    file.fetch(file.name, folder / "got")
    return (folder / "got").read_bytes()


def chunked(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def until_closed(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(b"onetwo")
    request.close_connection = True


def broken(by: str) -> Answer:
    def send(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header(*(("Content-Length", "100") if by == "length" else ("Transfer-Encoding", "chunked")))
        request.end_headers()
        request.wfile.write(b"half of it" if by == "length" else b"64\r\nhalf of it")
        request.close_connection = True

    return send


def test_a_name_is_asked_for_as_it_is_written_and_what_a_url_cannot_hold_is_encoded(web: Web, tmp_path: Path) -> None:
    for written, asked, name in (
        ("/a%20b+c.txt", "/a%20b+c.txt", "a b+c.txt"),
        ("/a b#1.txt", "/a%20b%231.txt", "a b#1.txt"),
        ("/100%.txt", "/100%25.txt", "100%.txt"),
        ("/d%2541/ü'&.txt", "/d%2541/%C3%BC'&.txt", "ü'&.txt"),
    ):
        web.page(asked, answer(200, b"found"))
        assert fetched(f"{web.url}{written}?a=b c", tmp_path) == b"found"
        assert web.asked[-1][0] == f"{asked}?a=b%20c"
        assert at(web.url + written).name == name


@pytest.mark.parametrize("how", [chunked, until_closed, answer(200, b"onetwo")])
def test_content_comes_whole_whether_its_length_is_told_or_not(web: Web, how: Answer, tmp_path: Path) -> None:
    url = web.page("/f.txt", how)
    found = at(url).find("f.txt")
    assert found is not None and found.size in (0, 6)
    assert fetched(url, tmp_path) == b"onetwo"
    assert [file.name for file in tmp_path.iterdir()] == ["got"]


@pytest.mark.parametrize("by", ["length", "chunks"])
def test_content_that_breaks_off_is_an_error_and_leaves_nothing(web: Web, by: str, tmp_path: Path) -> None:
    url = web.page("/f.txt", broken(by))
    with pytest.raises(TransportError, match=r"f\.txt' cannot be read: "):
        fetched(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_content_packed_for_the_way_is_unpacked_and_a_packed_file_stays_packed(web: Web, tmp_path: Path) -> None:
    packed = gzip.compress(b"one") + gzip.compress(b"two")
    plain = web.page("/f.csv", answer(200, packed, Content_Encoding="gzip"))
    kept = web.page("/f.csv.gz", answer(200, packed, Content_Encoding="gzip"))
    short = web.page("/cut.csv", answer(200, packed[:-5], Content_Encoding="gzip"))
    strange = web.page("/strange.csv", answer(200, b"?", Content_Encoding="br"))
    assert (fetched(plain, tmp_path), fetched(kept, tmp_path)) == (b"onetwo", packed)
    assert web.asked[0][1]["Accept-Encoding"] == "identity"
    with pytest.raises(TransportError, match=r"cut\.csv' cannot be read"):
        fetched(short, tmp_path)
    with pytest.raises(InvalidInputError, match="packed as 'br'"):
        at(strange).find("strange.csv")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_to_the_file(web: Web, status: int, tmp_path: Path) -> None:
    web.page("/there.txt", answer(200, b"there"))
    url = web.page("/here.txt", answer(status, Location="/there.txt?x=1"))
    assert fetched(url, tmp_path) == b"there"
    assert at(url).name == "here.txt"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_to_anything_but_the_web_is_refused(web: Web, target: str, tmp_path: Path) -> None:
    url = web.page("/f.txt", answer(302, Location=target))
    with pytest.raises(BatchEndpointsError, match=r"f\.txt' (redirects to a|cannot be read)") as caught:
        fetched(url + "?sig=SECRET", tmp_path)
    assert "SECRET" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_redirects_without_end_are_said_to_be_so(web: Web, tmp_path: Path) -> None:
    url = web.page("/f.txt", answer(302, Location="/f.txt"))
    with pytest.raises(ServiceError, match="redirects lead nowhere"):
        fetched(url, tmp_path)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (404, NotFoundError, "There is no file at"),
        (410, NotFoundError, "There is no file at"),
        (401, PermissionDeniedError, "needs no sign-in"),
        (403, PermissionDeniedError, "answered 403 AuthenticationFailed"),
        (418, ServiceError, "answered 418"),
        (429, ServerError, "Try again later"),
        (500, ServerError, "Try again later"),
        (503, ServerError, "Try again later"),
    ],
)
def test_a_refusal_is_told_without_the_signature(
    web: Web, status: int, kind: type[Exception], said: str, tmp_path: Path
) -> None:
    url = web.page("/f.txt", answer(status, b"no", x_ms_error_code="AuthenticationFailed"))
    with pytest.raises(kind, match=said) as caught:
        fetched(f"{url}?sv=1&sig=SECRET", tmp_path)
    assert "SECRET" not in str(caught.value) + repr(at(f"{url}?sig=SECRET")) + repr(web_address(f"{url}?sig=SECRET"))


def test_a_server_that_stumbles_once_is_asked_again_and_a_missing_file_is_not(web: Web) -> None:
    url = web.page("/f.txt", answer(503), answer(200, b"found"))
    found = at(url).find("f.txt")
    assert found is not None and (found.size, len(web.asked)) == (5, 2)
    assert at(f"{web.url}/none.txt").find("none.txt") is None
    assert len(web.asked) == 3


def test_an_address_where_nobody_answers_is_an_error_of_the_way(tmp_path: Path) -> None:
    with web_server() as web:
        url = f"{web.url}/f.txt?sig=SECRET"
    with pytest.raises(TransportError, match=r"f\.txt' cannot be read: .*Check the address") as caught:
        fetched(url, tmp_path)
    assert "SECRET" not in str(caught.value)
    assert web_address("https://" + "a" * 70 + "ü.example/x") is None


def test_a_signature_is_not_sent_over_plain_http(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="plain http") as caught:
        fetched("http://storage.example/c/f.txt?sig=SECRET", tmp_path)
    assert "SECRET" not in str(caught.value)


def test_nothing_in_the_web_is_listed_or_written(tmp_path: Path) -> None:
    file = at("https://web.example/folder/?sig=SECRET")
    assert file.name == "input"
    with pytest.raises(InvalidInputError, match="cannot be asked for the files of a folder"):
        next(file.list("x"))
    with pytest.raises(InvalidInputError, match="can only be read"):
        file.upload("x", tmp_path, overwrite=True)

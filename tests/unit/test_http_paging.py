"""Lists: page after page, only as far as somebody reads, never to a foreign host."""

from __future__ import annotations

import pytest
import requests

from azure_batch_endpoints._http import Session, paged
from azure_batch_endpoints.errors import NotFoundError, TransportError
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_transport import FakeTransport, Step, reply

ARM = "https://management.azure.com"


def make(*script: Step) -> tuple[Session, FakeTransport]:
    transport = FakeTransport(script)
    return Session(ARM, None, {}, clock=FakeClock(), transport=transport), transport


def test_all_pages_are_read_in_order_and_each_link_is_followed_as_given() -> None:
    link = f"{ARM}/jobs?api-version=2024&$orderBy=createdtime+desc&$skipToken=a%2Fb"
    session, transport = make(
        reply(200, {"value": [{"n": 1}, {"n": 2}], "nextLink": link}), reply(200, {"value": [{"n": 3}]})
    )

    items = paged(session, "/jobs", lambda item: item["n"], params={"api-version": "2024"}, action="list jobs")

    assert list(items) == [1, 2, 3]
    assert transport.lines == [f"GET {ARM}/jobs?api-version=2024", f"GET {link}"]


def test_nothing_is_sent_before_the_first_item_and_no_page_ahead_of_the_reader() -> None:
    session, transport = make(reply(200, {"value": [1, 2], "nextLink": f"{ARM}/jobs?p=2"}), reply(200, {"value": [3]}))

    items = paged(session, "/jobs", int, action="list jobs")
    assert transport.requests == []

    assert [next(items), next(items)] == [1, 2]
    assert len(transport.requests) == 1
    assert next(items) == 3


@pytest.mark.parametrize(
    "body", [None, {}, [], {"value": None}, {"value": {}}, {"value": [], "nextLink": None}, {"nextLink": ""}]
)
def test_an_empty_list_may_be_written_in_any_way(body: object) -> None:
    session, _ = make(reply(200, body))

    assert list(paged(session, "/jobs", int, action="list jobs")) == []


def test_an_empty_page_in_the_middle_does_not_end_the_list() -> None:
    link = f"{ARM}/jobs?p=2"
    session, _ = make(reply(200, {"value": [], "nextLink": link}), reply(200, {"value": [7], "nextLink": None}))

    assert list(paged(session, "/jobs", int, action="list jobs")) == [7]


def test_a_list_can_be_taken_up_at_a_page() -> None:
    link = f"{ARM}/jobs?p=2"
    session, transport = make(reply(200, {"value": [7]}))

    pages = paged(session, "/jobs", int, action="list jobs").by_page(link)

    assert [list(page) for page in pages] == [[7]]
    assert transport.lines == [f"GET {link}"]


@pytest.mark.parametrize("link", ["https://evil.example/jobs?p=2", "http://management.azure.com/jobs?p=2"])
def test_a_link_to_a_foreign_host_is_refused_and_nothing_is_sent_there(link: str) -> None:
    session, transport = make(reply(200, {"value": [1], "nextLink": link}))

    items = paged(session, "/jobs", int, action="list jobs")

    assert next(items) == 1
    with pytest.raises(TransportError, match="Nothing was sent"):
        next(items)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("links", [["p=2", "p=2"], ["p=2", "p=3", "p=2"]])
def test_a_link_that_was_followed_before_ends_the_list_with_an_error(links: list[str]) -> None:
    answers = [reply(200, {"value": [number], "nextLink": f"{ARM}/jobs?{link}"}) for number, link in enumerate(links)]
    session, transport = make(*answers)
    items = paged(session, "/jobs", int, action="list jobs")

    assert [next(items) for _ in links] == list(range(len(links)))
    with pytest.raises(TransportError, match="Could not list jobs: the service answered with the same nextLink again"):
        next(items)
    assert len(transport.requests) == len(links)


def test_the_pages_of_a_list_can_be_read_twice() -> None:
    def answer(sent: requests.PreparedRequest) -> requests.Response:
        last = "p=2" in str(sent.url)
        return reply(200, {"value": [2]} if last else {"value": [1], "nextLink": f"{ARM}/jobs?p=2"})(sent)

    transport = FakeTransport(answer)
    items = paged(Session(ARM, None, {}, transport=transport), "/jobs", int, action="list jobs")

    assert [[list(page) for page in items.by_page()] for _ in range(2)] == [[[1], [2]]] * 2


def test_a_relative_link_is_read_from_the_page_it_stands_on() -> None:
    session, transport = make(reply(200, {"value": [1], "nextLink": "?p=2"}), reply(200, {"value": [2]}))

    assert list(paged(session, "/a/jobs", int, params={"p": 1}, action="list jobs")) == [1, 2]
    assert transport.lines[1] == f"GET {ARM}/a/jobs?p=2"


def test_an_error_of_the_service_comes_through_as_our_own() -> None:
    session, _ = make(reply(404))

    with pytest.raises(NotFoundError, match="Could not list jobs of 'heart'"):
        next(paged(session, "/jobs", int, action="list jobs of 'heart'"))


def test_items_that_are_not_to_be_kept_are_left_out_on_every_page() -> None:
    link = f"{ARM}/jobs?p=2"
    session, _ = make(reply(200, {"value": [1, 2], "nextLink": link}), reply(200, {"value": [3, 4]}))

    assert list(paged(session, "/jobs", int, keep=lambda number: number % 2 == 0, action="list jobs")) == [2, 4]

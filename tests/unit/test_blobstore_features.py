"""The pure parts behind leases, tags, checksums and CORS of the blob endpoint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_batch_endpoints.local.blobstore import cors, documents, leases, tags, traits, xml
from azure_batch_endpoints.local.blobstore.checksums import crc64, crc64_of_text, crc64_text
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.leases import Lease, Wish
from azure_batch_endpoints.local.blobstore.traits import Policy, Traits

SECOND = 10_000_000
A, B = "6b1a64fa-0cd4-4d5d-9c4b-2f1a3d1f7a10", "0f1c5b5e-8f2a-4a5e-b0c6-9f7ad1f0a4d2"

# leases: the states a lease can be in at the time 100 s
NOW = 100 * SECOND
STATES: dict[str, Lease | None] = {
    "available": None,
    "leased": Lease(A, 15, NOW + 9 * SECOND),
    "infinite": Lease(A, -1, 0),
    "expired": Lease(A, 15, NOW - SECOND),
    "breaking": Lease(A, 60, NOW + 50 * SECOND, NOW + 5 * SECOND),
    "broken": Lease(A, 15, NOW + 9 * SECOND, NOW - SECOND),
}


@pytest.mark.parametrize(
    ("state", "action", "shown", "expected"),
    [
        ("available", "acquire", A, "leased"),
        ("leased", "acquire", A, "leased"),
        ("leased", "acquire", B, "LeaseAlreadyPresent"),
        ("expired", "acquire", B, "leased"),
        ("breaking", "acquire", A, "LeaseIsBreakingAndCannotBeAcquired"),
        ("breaking", "acquire", B, "LeaseAlreadyPresent"),
        ("broken", "acquire", B, "leased"),
        ("available", "renew", A, "LeaseIdMismatchWithLeaseOperation"),
        ("leased", "renew", A, "leased"),
        ("leased", "renew", B, "LeaseIdMismatchWithLeaseOperation"),
        ("expired", "renew", A, "leased"),
        ("breaking", "renew", A, "LeaseIsBrokenAndCannotBeRenewed"),
        ("broken", "renew", A, "LeaseIsBrokenAndCannotBeRenewed"),
        ("available", "change", A, "LeaseNotPresentWithLeaseOperation"),
        ("leased", "change", A, "leased"),
        ("leased", "change", B, "LeaseIdMismatchWithLeaseOperation"),
        ("breaking", "change", A, "LeaseIsBreakingAndCannotBeChanged"),
        ("expired", "change", A, "LeaseNotPresentWithLeaseOperation"),
        ("available", "release", A, "LeaseIdMismatchWithLeaseOperation"),
        ("leased", "release", A, "available"),
        ("leased", "release", B, "LeaseIdMismatchWithLeaseOperation"),
        ("broken", "release", A, "available"),
        ("available", "break", "", "LeaseNotPresentWithLeaseOperation"),
        ("leased", "break", "", "breaking"),
        ("infinite", "break", "", "broken"),
        ("expired", "break", "", "broken"),
        ("breaking", "break", "", "breaking"),
        ("broken", "break", "", "broken"),
    ],
)
def test_a_lease_action_leads_to_the_documented_state(state: str, action: str, shown: str, expected: str) -> None:
    wish = Wish(action, id=shown, proposed=shown if action == "acquire" else "0" * 8, seconds=15)
    try:
        lease, _ = leases.apply(STATES[state], wish, NOW)
    except BlobError as error:
        assert (error.code, error.status) == (expected, 409)
    else:
        assert leases.headers(lease, NOW)["x-ms-lease-state"] == expected


@pytest.mark.parametrize(
    ("state", "asked", "seconds"),
    [
        ("leased", None, 9),
        ("leased", 3, 3),
        ("leased", 30, 9),
        ("infinite", 30, 30),
        ("breaking", 60, 5),
        ("broken", 3, 0),
    ],
)
def test_a_broken_lease_lasts_no_longer_than_asked_and_than_it_would_have(
    state: str, asked: int | None, seconds: int
) -> None:
    assert leases.apply(STATES[state], Wish("break", break_seconds=asked), NOW)[1] == seconds


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("shown", [None, A, B])
def test_who_may_write_follows_from_state_and_id(state: str, shown: str | None) -> None:
    held = state in ("leased", "infinite", "breaking")
    expected = None
    if shown is None:
        expected = "LeaseIdMissing" if held else None
    elif not held:
        expected = "LeaseNotPresentWithBlobOperation"
    elif shown != A:
        expected = "LeaseIdMismatchWithBlobOperation"

    if expected is None:
        leases.check(STATES[state], shown, NOW)
        return
    with pytest.raises(BlobError) as caught:
        leases.check(STATES[state], shown, NOW)
    assert (caught.value.code, caught.value.status) == (expected, 412)


def test_a_lease_ends_by_itself() -> None:
    lease, _ = leases.apply(None, Wish("acquire", proposed=A, seconds=15), NOW)
    assert lease is not None

    assert [lease.state(NOW + n * SECOND) for n in (0, 14, 15)] == ["leased", "leased", "expired"]


# traits


@given(
    st.builds(
        Traits,
        lease=st.none() | st.builds(Lease, st.text(), st.integers(), st.integers(), st.integers()),
        tags=st.dictionaries(st.text(), st.text()),
        tier=st.sampled_from(["", "Hot", "Archive"]),
        tier_changed=st.integers(),
        is_sealed=st.booleans(),
        snapshot=st.text(),
        access=st.sampled_from(["", "blob"]),
        policies=st.lists(st.builds(Policy, st.text(), st.text(), st.text(), st.text())).map(tuple),
    )
)
def test_what_is_kept_of_a_blob_comes_back(known: Traits) -> None:
    assert traits.decode(traits.encode(known)) == known


def test_nearly_all_blobs_have_nothing_of_it() -> None:
    assert traits.encode(Traits()) == ""
    assert traits.after_write("", "", NOW) == ""


# tags


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\"a\" = '1'", True),
        ("a='1'", True),
        ("a = '2'", False),
        ("a <> '2'", True),
        ("none <> '2'", False),
        ("a >= '1' AND b < '3'", True),
        ("a > '1' OR b <= '2'", True),
        ("a = '9' and b = '2' or a = '1'", True),
        ("a = '1' AND (b = '9' OR b = '2')", True),
        ("@container = 'x'", True),
        (" AND ".join(["(a = '1')"] * 99), True),
    ],
)
def test_a_condition_on_tags_holds_or_not(text: str, expected: bool) -> None:
    assert tags.condition(text, "InvalidHeaderValue")({"a": "1", "b": "2", "@container": "x"}) is expected


@pytest.mark.parametrize(
    "text", ["", "a", "a =", "'1' = a", "a = '1' AND", "a = '1' b = '2'", "(a = '1'", "a ~ '1'", "(" * 99]
)
def test_a_condition_on_tags_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BlobError, match="condition on tags cannot be read"):
        tags.condition(text, "InvalidHeaderValue")


def test_tags_of_a_header_are_decoded_and_checked() -> None:
    assert tags.of_header("a%20b=c%2Fd&e=") == {"a b": "c/d", "e": ""}
    assert tags.of_header(None) == {}
    for text, code in [
        ("=1", "EmptyTagName"),
        ("a=1&a=2", "DuplicateTagNames"),
        ("a!=1", "InvalidTag"),
        ("a=%C3%BC", "InvalidTag"),
        ("a" * 129 + "=1", "TagsTooLarge"),
        ("a=" + "1" * 257, "TagsTooLarge"),
        ("&".join(f"{n}=1" for n in range(11)), "TagsTooLarge"),
    ]:
        with pytest.raises(BlobError) as caught:
            tags.of_header(text)
        assert caught.value.code == code


# checksums


@pytest.mark.parametrize(
    ("data", "expected"), [(b"", 0), (b"123456789", 0xAE8B14860A799888), (b"\0", 0x1DFA9F02E4C8B2A8)]
)
def test_a_crc64_is_the_published_one(data: bytes, expected: int) -> None:
    if data != b"\0":
        assert crc64(data) == expected
    assert crc64_of_text(crc64_text(crc64(data))) == crc64(data)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_crc64_is_made_piece_by_piece(first: bytes, second: bytes) -> None:
    assert crc64(second, crc64(first)) == crc64(first + second)


# browsers

RULES = cors.read_rules(
    documents.parse(
        b"<Cors><CorsRule><AllowedOrigins>http://a,http://b</AllowedOrigins><AllowedMethods>GET,PUT</AllowedMethods>"
        b"<AllowedHeaders>x-ms-meta-*,Content-Type</AllowedHeaders><ExposedHeaders>x-ms-*</ExposedHeaders>"
        b"<MaxAgeInSeconds>9</MaxAgeInSeconds></CorsRule></Cors>",
        "Cors",
    )
)


@pytest.mark.parametrize(
    ("origin", "method", "headers", "is_allowed"),
    [
        ("http://a", "GET", "", True),
        ("http://b", "PUT", "X-MS-Meta-a, content-type", True),
        ("http://c", "GET", "", False),
        ("http://a", "DELETE", "", False),
        ("http://a", "GET", "x-other", False),
    ],
)
def test_a_preflight_is_answered_by_the_rules(origin: str, method: str, headers: str, is_allowed: bool) -> None:
    asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}
    if is_allowed:
        answer = cors.preflight(RULES, asked)
        assert (answer["access-control-allow-origin"], answer["access-control-max-age"]) == (origin, "9")
        return
    with pytest.raises(BlobError) as caught:
        cors.preflight(RULES, asked)
    assert (caught.value.code, caught.value.status) == ("CorsPreflightFailure", 403)


def test_an_answer_exposes_what_its_rule_names() -> None:
    answer = cors.answered(RULES, "GET", "http://a", ["etag", "x-ms-version", "x-ms-request-id"])

    assert answer["access-control-expose-headers"] == "x-ms-version,x-ms-request-id"
    assert cors.answered(RULES, "GET", "http://c", []) == {"vary": "Origin"}
    assert cors.answered([], "GET", "http://a", []) == {}


@pytest.mark.parametrize(
    "section",
    [
        "<Cors><Rule/></Cors>",
        "<Cors><CorsRule/></Cors>",
        "<Cors><CorsRule><AllowedOrigins>*</AllowedOrigins><AllowedMethods>EAT</AllowedMethods>"
        "<MaxAgeInSeconds>1</MaxAgeInSeconds></CorsRule></Cors>",
        "<Cors><CorsRule><AllowedOrigins>*</AllowedOrigins><AllowedMethods>GET</AllowedMethods>"
        f"<MaxAgeInSeconds>{'1' * 5000}</MaxAgeInSeconds></CorsRule></Cors>",
    ],
    ids=["no rule", "an empty one", "a method", "an age"],
)
def test_a_rule_that_is_none_is_refused(section: str) -> None:
    with pytest.raises(BlobError):
        cors.read_rules(documents.parse(section.encode(), "Cors"))


def test_a_document_is_written_as_it_was_read() -> None:
    text = "<Cors><CorsRule><AllowedOrigins>a&amp;b</AllowedOrigins><ExposedHeaders /></CorsRule></Cors>"

    assert xml.rendered(documents.parse(text.encode(), "Cors")) == text


class Counter:
    """Counts the pieces that the text of a document comes in."""

    def __init__(self) -> None:
        self.pieces = 0

    def start(self, *_: object) -> None:
        pass

    def end(self, *_: object) -> None:
        pass

    def characters(self, _: str) -> None:
        self.pieces += 1


def test_long_text_of_a_document_comes_in_few_pieces() -> None:
    counter = Counter()
    documents.walk(b"<a>" + b"\n" * 100_000 + b"&lt;" * 100_000 + b"</a>", counter)

    assert counter.pieces < 1000  # a piece for each would take time that grows with the square

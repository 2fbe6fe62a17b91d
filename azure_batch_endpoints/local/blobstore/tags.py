"""Index tags of blobs: reading and checking them, and the conditions that ask for them. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

from azure_batch_endpoints.local.blobstore.failures import BlobError

Test = Callable[[Mapping[str, str]], bool]

_MAX_TAGS = 10
_MAX_NAME = 128
_MAX_VALUE = 256
_MAX_DEPTH = 30
_ALLOWED = re.compile(r"[A-Za-z0-9 +\-./:=_]*")
_TOKEN = re.compile(r"""\s*(?:"(?P<name>[^"]*)"|'(?P<value>[^']*)'|(?P<sign><=|>=|<>|[=<>()])|(?P<word>@?\w+))""")
_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def checked(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Tags as a map.

    Raises:
        BlobError: There are too many, one comes twice, or one has a name or value that is not allowed.
    """
    if len(pairs) > _MAX_TAGS:
        raise BlobError("TagsTooLarge", f"A blob has at most {_MAX_TAGS} tags.")
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise BlobError("DuplicateTagNames")
    for name, value in pairs:
        if not name:
            raise BlobError("EmptyTagName")
        if len(name) > _MAX_NAME or len(value) > _MAX_VALUE:
            raise BlobError("TagsTooLarge")
        if not _ALLOWED.fullmatch(name) or not _ALLOWED.fullmatch(value):
            raise BlobError("InvalidTag")
    return tags


def of_header(text: str | None) -> dict[str, str]:
    """The tags of an ``x-ms-tags`` header, which is written like a query."""
    if not text:
        return {}
    pairs = [pair.partition("=") for pair in text.split("&")]
    return checked([(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs])


def condition(text: str, refused: str) -> Test:
    """The test that an ``x-ms-if-tags`` or a ``where`` describes.

    Args:
        text: For example ``"project" = 'one' AND "year" >= '2020'``; ``@container`` is the container's name.
        refused: The error code for a text that is no such condition.

    Raises:
        BlobError: With that code.
    """
    return _Reader(text, refused).read()


class _Reader:
    """Reads a condition: OR of ANDs of comparisons, with parentheses."""

    def __init__(self, text: str, refused: str) -> None:
        self._refused = refused
        self._tokens = self._split(text)
        self._depth = 0

    def read(self) -> Test:
        test = self._any()
        if self._tokens:
            raise self._wrong(f"'{self._tokens[0][1]}' is not expected there")
        return test

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise self._wrong(f"nothing can be made of '{text[position : position + 20]}'")
            tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        return tokens

    def _any(self) -> Test:
        tests = [self._all()]
        while self._takes("word", "OR"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda tags: any(test(tags) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._takes("word", "AND"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda tags: all(test(tags) for test in tests)

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._wrong("it is nested too deeply")
        if self._takes("sign", "("):
            inner = self._any()
            if not self._takes("sign", ")"):
                raise self._wrong("a parenthesis is not closed")
        else:
            inner = self._comparison()
        self._depth -= 1
        return inner

    def _comparison(self) -> Test:
        (kind, name), (_, sign), (quoted, value) = (self._next() for _ in range(3))
        if kind not in ("name", "word") or sign not in _COMPARE or quoted != "value":
            raise self._wrong("a comparison looks like \"name\" = 'value'")
        compare = _COMPARE[sign]
        return lambda tags: name in tags and compare(tags[name], value)

    def _takes(self, kind: str, text: str) -> bool:
        if self._tokens and self._tokens[0][0] == kind and self._tokens[0][1].upper() == text:
            del self._tokens[0]
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise self._wrong("it ends too early")
        return self._tokens.pop(0)

    def _wrong(self, what: str) -> BlobError:
        return BlobError(self._refused, f"The condition on tags cannot be read: {what}.")

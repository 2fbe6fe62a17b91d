"""Cross-origin requests of browsers: the rules of the service's properties, and the headers they ask for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore.documents import Node
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import is_number

_METHODS = ("DELETE", "GET", "HEAD", "MERGE", "POST", "OPTIONS", "PUT", "PATCH", "CONNECT", "TRACE")
_MAX_RULES = 5


class Rule(NamedTuple):
    """A rule: who may ask for what; each list as it was set."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    allowed: tuple[str, ...]
    exposed: tuple[str, ...]
    seconds: int

    def takes(self, origin: str, method: str, headers: Iterable[str]) -> bool:
        """Whether it allows that request."""
        if "*" not in self.origins and origin not in self.origins:
            return False
        return method in self.methods and all(any(_fits(name, one) for one in self.allowed) for name in headers)

    def answer(self, origin: str) -> dict[str, str]:
        """What every allowed answer carries."""
        if "*" in self.origins:
            return {"access-control-allow-origin": "*"}
        return {
            "access-control-allow-origin": origin,
            "access-control-allow-credentials": "true",
            "vary": "Origin",
        }


def read_rules(section: Node) -> list[Rule]:
    """The rules of a ``Cors`` section.

    Raises:
        BlobError: ``InvalidXmlNodeValue`` or ``UnsupportedXmlNode``.
    """
    rules = [_rule(node) for node in section.children]
    if len(rules) > _MAX_RULES:
        raise BlobError("InvalidXmlNodeValue", f"There are at most {_MAX_RULES} CORS rules.")
    return rules


def _rule(node: Node) -> Rule:
    if node.name != "CorsRule":
        raise BlobError("UnsupportedXmlNode", f"'{node.name}' does not belong in 'Cors'.")
    origins, methods = _words(node, "AllowedOrigins"), _words(node, "AllowedMethods")
    seconds = node.get("MaxAgeInSeconds").strip()
    if not origins or not methods or not set(methods) <= set(_METHODS) or not is_number(seconds):
        raise BlobError("InvalidXmlNodeValue", "A CORS rule needs origins, known methods and a maximum age in seconds.")
    allowed = tuple(name.lower() for name in _words(node, "AllowedHeaders"))
    exposed = tuple(name.lower() for name in _words(node, "ExposedHeaders"))
    return Rule(origins, methods, allowed, exposed, int(seconds))


def preflight(rules: Iterable[Rule], headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that answer a browser's OPTIONS.

    Raises:
        BlobError: ``InvalidHeaderValue`` when it does not say what it wants, ``CorsPreflightFailure`` when no rule
            allows that.
    """
    origin, method = headers.get("origin", ""), headers.get("access-control-request-method", "")
    if not origin or not method:
        raise BlobError("InvalidHeaderValue", "A required CORS header is not present.")
    asked = headers.get("access-control-request-headers", "")
    names = [name.strip().lower() for name in asked.split(",") if name.strip()]
    for rule in rules:
        if rule.takes(origin, method, names):
            answer = {**rule.answer(origin), "access-control-allow-methods": method}
            answer["access-control-max-age"] = str(rule.seconds)
            if names:
                answer["access-control-allow-headers"] = asked
            return answer
    raise BlobError("CorsPreflightFailure")


def answered(rules: list[Rule], method: str, origin: str, headers: Iterable[str]) -> dict[str, str]:
    """What goes with the answer to a request from a page of another origin; ``headers`` are the answer's names."""
    for rule in rules:
        if rule.takes(origin, method, ()):
            shown = ",".join(name for name in headers if any(_fits(name, one) for one in rule.exposed))
            return {**rule.answer(origin), **({"access-control-expose-headers": shown} if shown else {})}
    return {"vary": "Origin"} if rules else {}


def _words(node: Node, name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in node.get(name).split(",") if word.strip())


def _fits(name: str, allowed: str) -> bool:
    return name.startswith(allowed[:-1]) if allowed.endswith("*") else name == allowed

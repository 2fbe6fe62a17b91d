"""XML that clients send: walked with care, and read into plain trees (tags, access policies, service properties)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from xml.parsers import expat

from azure_batch_endpoints.local.blobstore.failures import BlobError

_MAX_DEPTH = 8


@dataclass
class Node:
    """An element: its name, its text and what is in it."""

    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The text of the child of that name; ``""`` when there is none."""
        found = self.find(name)
        return found.text if found else ""

    def find(self, name: str) -> Node | None:
        """The child of that name, if there is one."""
        return next((child for child in self.children if child.name == name), None)


def parse(body: bytes, root: str) -> Node:
    """Read a small document.

    Args:
        body: The document.
        root: The name its outermost element must have.

    Raises:
        BlobError: ``InvalidXmlDocument``; a document type declaration (the door to entity tricks) is refused too.
    """
    reader = _Reader()
    walk(body, reader)
    top = reader.top.children[0]
    if top.name != root:
        raise BlobError("InvalidXmlDocument", f"The document must be a '{root}', not a '{top.name}'.")
    return top


class Walker(Protocol):
    """Is told what a document holds, in its order."""

    def start(self, name: str, attributes: dict[str, str], /) -> None:
        """An element begins."""
        ...

    def characters(self, data: str, /) -> None:
        """Text goes on."""
        ...

    def end(self, name: str, /) -> None:
        """An element ends."""
        ...


def walk(body: bytes, walker: Walker) -> None:
    """Tell a document. Raises as :func:`parse`."""
    parser = expat.ParserCreate()
    parser.buffer_text = True  # else each line and each "&lt;" is told by itself
    parser.StartElementHandler = walker.start
    parser.EndElementHandler = walker.end
    parser.CharacterDataHandler = walker.characters
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003  expat takes "this is all" by position only
    except (expat.ExpatError, LookupError, ValueError) as problem:  # the last two: an encoding it does not know
        raise BlobError("InvalidXmlDocument", str(problem)) from None


def _refuse(*_: object) -> None:
    raise BlobError("InvalidXmlDocument", "A document type declaration is not allowed.")


class _Reader:
    """Builds the tree while the parser walks the document."""

    def __init__(self) -> None:
        self.top = Node("")
        self._open = [self.top]

    def start(self, name: str, _: dict[str, str]) -> None:
        if len(self._open) > _MAX_DEPTH:
            raise BlobError("InvalidXmlDocument", "It is nested too deeply.")
        node = Node(name)
        self._open[-1].children.append(node)
        self._open.append(node)

    def characters(self, data: str) -> None:
        self._open[-1].text += data

    def end(self, _: str) -> None:
        node = self._open.pop()
        if node.children:
            node.text = ""

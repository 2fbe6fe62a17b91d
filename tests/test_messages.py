"""Every message the package can raise says what happened, which input, and what to do; read from the source.

``message_texts`` reads them; here is what they must be like. A new message that fails here lacks a part: add the
sentence that tells the user what to do next, with the call or the setting in it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.message_texts import CLOSE, OPEN, SOURCE, Message, last_name, messages, shown

VERBS = (
    "add|allow|ask|attach|build|call|change|check|choose|close|copy|correct|create|define|delete|"
    "do the same|download|drop|end|export|fetch|find|free|get|give|import|install|invoke|join|keep|leave|"
    "let|list|load|log|look|lower|make|mend|move|name|open|pass|pin|put|raise|read|register|remove|rename|"
    "replace|report|restart|retry|return|run|save|say|see|send|set|shorten|sign|start|stop|take|top|try|"
    "upload|use|wait|wrap|write"
)
REMEDY = re.compile(
    rf"(?:^|[.?!:;,){CLOSE}]\s+|\bthen |\bor |\band |\bso )(?:please |first |here )?(?:{VERBS})\b"
    r"|Did you mean|Known are|There are: |; a name has |are allowed|it is a file name|; it (?:can|must|should)"
    r"|it can be|\bmust |\bshould |expected"
    r"|\w+\(.*?\)(?:[.?]|$)",
    re.IGNORECASE,
)
BEGINS = re.compile(rf"^(?:[(=A-Z'\"{OPEN}0-9]|--?\w|[a-z_.]+(?:\(|=|:| is | and )|[a-z]+[A-Z]\w* )")
ENDS = re.compile(rf"(?:[.?!)]|{CLOSE}'?)$")
COMMAND = re.compile(r"(?:Run|run|kill|said): ?\S.*$|https://\S+$|: (?:az|abe|pip|kill) .*$")
"""A command at the end stands without a full stop, which would be copied with it."""
JARGON = re.compile(
    r"azure\.core|HttpResponseError|urllib3|requests\.\w|pydantic|NoneType|errno|\bException\b|(?<!\w)Error:|"
    r"deserializ",
)
SECRET = re.compile(r"(?i)(?:^|[._])(?:token|sas|signature|secret|password|account_key|access_key|connection_string)$")
NAMED = re.compile(rf"[{OPEN}'\"=]|--\w|\w\(\)|\b(?:request|script|run)\b")
"""A value, a quoted word, an argument, a flag, a call; of a request the service knows no other name."""
PREFIXED = {"SpecError", "ScoringScriptError", "Finding"}
"""File and line come before these."""
PASSED_ON = re.compile(rf"^(?:[^{OPEN}]*[: .])?{OPEN}(?:error|refusal|trouble|fault|get)s?{CLOSE}$")
"""Another message, whole, perhaps behind a few words."""
CARRIED = re.compile(
    rf"{OPEN}(?:remedy|hint|inside|refused|refusal|pipeline|script error|message|text|fault|in the cloud){CLOSE}"
)
"""Words of ours that the reader does not see through: they are read, or held to the same, where they are made."""

EXCEPTIONS: dict[str, str] = {
    "The specified resource was not found.": "Azure's own words (recorded); what is missing stands in the details",
    "Asset paths cannot be updated.": "Azure's own words (recorded); what to do stands in the details",
    "Snapshot with hash": "Azure's own words (recorded), which clients look for before they upload",
    "Compute '<names>' not found.": "Azure's own words (recorded); the client adds what to do",
    "The specified job input type": "Azure's own words; they name the types that can be used",
    "The subscription '": "Azure's own words, with what the local service has",
    "Resource group '": "Azure's own words, with what the local service has",
    "The Resource '": "Azure's own words, with what the local service has",
    "The Deployment request provided": "Azure's own words (recorded)",
    "<error> It was named by": "behind the refusal of the address, with its remedy",
    "Could not <action>. <refusal>": "the refusal of the address, with its remedy",
    "Could not <action>: <error>": "behind it stands the local service's own words, with their remedy",
    "<name>.<error>": "the message of an inner setting, behind the name of the outer one",
    "<name>: <error>": "the message of an inner setting, behind the name of the outer one",
    "<where>.<error>": "the message of an inner setting, behind the name of the outer one",
    "<where>: <error>": "the message of an inner setting, behind the name of the outer one",
    "<error> (an override": "the message of a setting, and that it came by keyword",
    "<spec>: <first>": "what a validator said, read where it is made",
    "<where> is <": "what is allowed stands behind the semicolon",
    "unknown setting '<path>'. <": "the nearest known word, or where it belongs",
    "<command path> has no": "the nearest known word, or the other place of the command",
    "<path>": "habits: handed on, read where they are made",
    "base_url: <error> The cloud's own is": "the refusal of the address, with its remedy, and how it is written",
    "The access token is invalid": "Azure's own words, and the local service's token",
    "This service answers on this machine only": "nothing was named but the host",
    "The local service did not start.": "what it said follows, with the path of its log",
    "A model deployment reads exactly one input; this job has none": "there is none to name",
    "The model file '<path>' .": "said only when there is a fault, which is read where it is made",
    "The asset has just been deleted": "a request that came in between; the asset is in its path",
    "The signature of this address": "the address is not repeated: it carries a signature",
    "<message>": "ServiceFault and its envelope hand on what was said where they are raised",
}
"""Beginning of a text, and why it may lack a part."""


WITHOUT_CAUSE: dict[str, str] = {
    "_live.py": "Ctrl-C over a live view: nothing went wrong",
    "cli/workspace.py": "Ctrl-C: nothing went wrong",
    "local/blobstore/auth.py": "an answer over HTTP; nobody sees its cause",
    "local/blobstore/conditions.py": "an answer over HTTP; nobody sees its cause",
    "local/blobstore/documents.py": "an answer over HTTP; nobody sees its cause",
    "local/blobstore/encoding.py": "an answer over HTTP; nobody sees its cause",
    "local/blobstore/http.py": "an answer over HTTP; nobody sees its cause",
    "local/blobstore/leases.py": "an answer over HTTP; nobody sees its cause",
    "local/blobstore/pages.py": "an answer over HTTP; nobody sees its cause",
    "local/web_file.py": "the cause's text may show the query of the address, which is a secret",
    "local/worker/channel.py": "crosses from the worker to the service, where exceptions cannot go",
}
"""File, and why what it raises does not chain the error it is raised over."""
BADLY_JOINED = re.compile(r"\S  \S|(?<!\.)\.\.(?![./'])|(?<!from) \.(?!\w)")


@cache
def every_message() -> tuple[Message, ...]:
    return tuple(messages())


def is_passed_on(text: str) -> bool:
    """Whether a text is another message, which is read where it is made."""
    return PASSED_ON.match(text) is not None


def is_cut(text: str, message: Message) -> bool:
    """Whether another form of the message goes on where this one ends: its last piece is not always there."""
    return text.endswith(" ") and any(other != text and other.startswith(text) for other in message.texts)


def fails(message: Message, text: str) -> list[str]:
    """Return what a text lacks."""
    said = text.strip().lstrip(" .")
    if (
        not said
        or is_cut(text, message)
        or is_passed_on(said)
        or any(shown(said).startswith(one) for one in EXCEPTIONS)
    ):
        return []
    lacks = []
    if not BEGINS.match(said) and message.kind not in PREFIXED:
        lacks.append("begins with a capital letter, a quoted name or the name of an argument")
    if not ENDS.search(said) and not COMMAND.search(said):
        lacks.append("ends with a full stop")
    if not REMEDY.search(said) and not CARRIED.search(said):
        lacks.append("says what to do")
    if not NAMED.search(said) and message.kind not in PREFIXED:
        lacks.append("names the input")
    if JARGON.search(said):
        lacks.append(f"is in the user's words, not '{JARGON.findall(said)[0]}'")
    if all(BADLY_JOINED.search(one) for one in message.texts):
        lacks.append("is joined well")
    return lacks


def test_every_message_says_what_happened_which_input_and_what_to_do() -> None:
    wrong = {
        f"{message.file}:{message.line} {shown(text)}": lacks
        for message in every_message()
        for text in message.texts
        if (lacks := fails(message, text))
    }

    assert not wrong, "\n".join(f"{text}\n      it should be that it {'; '.join(why)}" for text, why in wrong.items())


def test_no_message_shows_a_value_that_is_a_secret() -> None:
    wrong = [
        f"{message}: {ast.unparse(value)}"
        for message in every_message()
        for value in message.values
        if SECRET.search(ast.unparse(value)) and message.file != "checks/contract.py"  # a function's signature
    ]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("beginning", EXCEPTIONS)
def test_every_exception_is_still_needed(beginning: str) -> None:
    texts = [shown(text.strip().lstrip(" .")) for message in every_message() for text in message.texts]

    assert any(text.startswith(beginning) for text in texts)


def raised_again(tree: ast.AST, handler: ast.ExceptHandler | None = None) -> Iterator[ast.Raise]:
    """Yield what is raised while another exception is dealt with, but what is handed on as it is."""
    for node in ast.iter_child_nodes(tree):
        inside = node if isinstance(node, ast.ExceptHandler) else handler
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = None
        if isinstance(node, ast.Raise) and node.exc is not None and handler is not None:
            own = handler.name is not None and last_name(node.exc) == handler.name
            if not own:
                yield node
        yield from raised_again(node, inside)


def test_every_error_that_is_raised_over_another_names_it_as_its_cause() -> None:
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = str(path.relative_to(SOURCE))
        for node in raised_again(ast.parse(path.read_text(encoding="utf-8"))):
            hidden = isinstance(node.cause, ast.Constant) and node.cause.value is None
            if node.cause is None or (hidden and name not in WITHOUT_CAUSE):
                wrong.append(f"{name}:{node.lineno} {ast.unparse(node)}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", WITHOUT_CAUSE)
def test_every_file_that_may_hide_a_cause_does(file: str) -> None:
    assert "from None" in (SOURCE / file).read_text(encoding="utf-8")


def test_the_page_of_messages_is_what_the_source_says() -> None:
    from tests.message_page import PAGE, page  # it uses this module

    assert PAGE.read_text(encoding="utf-8") == page(), "run scripts/messages"

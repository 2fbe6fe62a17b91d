"""Writes docs/messages.md: every message of the package with what to do about it, by the class of the error.

``scripts/messages`` runs it; ``test_messages`` compares the page with what it would write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from azure_batch_endpoints import _refusals, errors
from tests.message_texts import CLOSE, OPEN, ROOT, Message, messages, shown
from tests.test_messages import BADLY_JOINED, EXCEPTIONS, REMEDY, is_cut, is_passed_on

PAGE = ROOT / "docs" / "messages.md"
HEAD = """\
# Messages

Every text that this package can raise, by the class of its error, with what to do about it. Words in `<…>` are yours:
a name, a path, a number. How the classes belong together is on the page [Errors](errors.md). The page is made from the
source by `scripts/messages`.
"""
MOST_FORMS = 8
"""Forms of one message that the page shows."""
GROUPS = {
    "Finding": (
        "Findings of a check",
        "What `DeploymentSpec.check()` and `abe deployment check` say; `create` raises a `ScoringScriptError`, a "
        "`LocalPathError` or an `InvalidInputError` with the same words when no job could begin. File and line stand "
        "before them.",
    ),
    "JobFailed": (
        "Why a local job failed",
        "Behind \"Job '<name>' failed:\" in a `JobFailedError` and in `job.error`.",
    ),
    "ServiceFault": (
        "What the local service answers",
        'Behind "Could not <what you did>:" in a `ServiceError`: 400, `NotFoundError` 404, `ConflictError` 409 and the '
        "rest by their status; other REST clients get them as the error body of Azure Machine Learning.",
    ),
    "UsageError": ("The command line", "`abe` says these on stderr and ends with exit code 1."),
}
SAME = {
    "InitFailed": "JobFailed",
    "WrongReturnType": "JobFailed",
    "RowsNotWritten": "JobFailed",
    "bad_request": "ServiceFault",
    "not_found": "ServiceFault",
    "job_refused": "ServiceFault",
    "Detail": "ServiceFault",
    "BadParameter": "UsageError",
    "StoreInUseError": "LocalServiceError",
}


VALUE = re.compile(r"<[^<>]*>")
HANDED_ON = re.compile(rf"^(?:{OPEN}[^{CLOSE}]*{CLOSE}[\s.:]*)+$|^(?:{OPEN}message{CLOSE}) ")
"""Values alone: words that are made, and listed, elsewhere."""
BEHIND = re.compile(rf"{OPEN}(?:error|text|reason|trouble){CLOSE} ")
"""What stands behind another message; the same words with what they belong to are among the other forms."""
RUN_TOGETHER = re.compile(
    "|".join(
        (
            rf"[a-z{CLOSE}](?=[A-Z][a-z]+ [a-z])|{CLOSE}(?=[a-z])",
            r"[a-z)][.,](?=(?:and|or|with|which|alphanumeric) |[A-Z][a-z]+ )|[.)] (?:and|or|with|which) |got of type",
            rf"{OPEN}message{CLOSE}{OPEN}|{CLOSE}{OPEN}message{CLOSE}{OPEN}",
            r", [A-Z][a-z]+ [a-z]+ from |'-'s and '|\b(?:the|an?|of) (?:leave|look|use|make) ",
            rf"[(.]\.?{OPEN}attr|''|\(\)(?=\s*[:;])|\.'(?=\s*\.)|'None'",
        )
    )
)
"""Pieces side by side that never are, or that say nothing: the reader does not know which of them go together."""
ADVICE = re.compile(
    r"(?:it|It) (?:must|can|should)|a name has|letters, digits|every way through|For a |If a |With |Logs|Its logs|"
    r"Rows scored|How far|its logs|which are still|No job '|Whether job|the service may|The service may|there are"
)
"""Beginnings of advice that are no imperative."""


def page() -> str:
    """Return the whole page."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for message in messages():
        group = found.setdefault(SAME.get(message.kind, message.kind), {})
        for what, todo in rows(message):
            group.setdefault(VALUE.sub("<>", what), (what, todo))
    order = [name for name in vars(errors) if name in found]
    parts = [HEAD, answers()]
    parts += [section(*described(name), list(found[name].values())) for name in [*order, *GROUPS] if found.get(name)]
    return "\n".join(parts)


def described(name: str) -> tuple[str, str]:
    """Return the heading and the sentence below it."""
    if name in GROUPS:
        return GROUPS[name]
    said = (getattr(errors, name).__doc__ or "").strip().splitlines()[0]
    return f"`{name}`", said.replace("``", "`")


def section(heading: str, meaning: str, found: list[tuple[str, str]]) -> str:
    """Return a heading, what the class means and its table."""
    lines = [f"| {cell(what)} | {cell(todo)} |" for what, todo in sorted(found)]
    return "\n".join([f"## {heading}\n", f"{meaning}\n", "| text | what to do |", "|---|---|", *lines, ""])


def answers() -> str:
    """Return the tables of what Azure answers: by its code, then by the status alone."""
    told = {f"`{code}`": advice for code, advice in _refusals.by_code()}
    status = {f"{number}": advice for number, advice in _refusals.by_status()}
    lines = [f"| {code} | {cell(advice, code=False)} |" for code, advice in (told | status).items()]
    head = (
        "## What Azure answers\n\nA `ServiceError` repeats the innermost code and message of the answer behind "
        '"Could not <what you did>:", then says what to do by its code, or else by its status, and ends with the '
        "service's request id.\n"
    )
    return "\n".join([head, "| code or status | what to do |", "|---|---|", *lines, ""])


def rows(message: Message) -> Iterator[tuple[str, str]]:
    """Yield what happened and what to do, of each form of a message."""
    said = [" ".join(text.split()) for text in message.texts if not is_cut(text, message)]
    told = [text for text in said if text and not is_passed_on(text) and not HANDED_ON.match(text)]
    whole = [text for text in told if not BADLY_JOINED.search(text) and not RUN_TOGETHER.search(text)]
    alone = [text for text in whole if not BEHIND.match(text)]
    for text in (alone or whole or told)[:MOST_FORMS]:
        if not any(shown(text).startswith(one) for one in EXCEPTIONS if one.startswith("<")):
            yield split(text)


def split(text: str) -> tuple[str, str]:
    """Part a text where its first sentence begins that says what to do."""
    for found in re.finditer(rf"[.?!:;)]\s+|{CLOSE}\s+(?=[A-Z])", text):
        rest = text[found.end() :]
        if REMEDY.match(rest) or ADVICE.match(rest):
            what = shown(text[: found.end()].strip())
            return (f"{what} …", f"… {shown(rest)}") if what[-1] in ":;" else (what, shown(rest))
    return shown(text), "as it says"


def cell(text: str, *, code: bool = True) -> str:
    """Return a text as a table's cell: literally."""
    plain = text.replace("|", "\\|").replace("`", "'")
    return f"`{plain}`" if code and plain != "as it says" else text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

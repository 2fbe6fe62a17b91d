"""Every message the package can raise, read from its source: the words, with ``<name>`` where a value will stand.

Reads f-strings, sums, conditional words, module constants, local names and the arguments of private helpers, so that a
text that is put together from pieces is seen whole. Not here: what a text must be like (``test_messages``) and the page
(``message_page``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PACKAGE = "azure_batch_endpoints"
ROOT = Path(__file__).parent.parent
SOURCE = ROOT / PACKAGE
MOST = 40
"""Forms of one message that are told apart."""
OPEN, CLOSE = "\ue000", "\ue001"
"""What stands around the name of a value inside a text, until it is shown."""

WHERE_THE_TEXT_IS = {
    **dict.fromkeys(
        (
            "InvalidInputError",
            "SpecError",
            "ScoringScriptError",
            "LocalPathError",
            "TransportError",
            "ForeignHostError",
            "ServiceError",
            "AuthenticationError",
            "PermissionDeniedError",
            "NotFoundError",
            "ConflictError",
            "TooManyRequestsError",
            "ServerError",
            "UploadError",
            "ResultsError",
            "OperationFailedError",
            "JobFailedError",
            "JobCanceledError",
            "WaitTimeoutError",
            "LocalServiceError",
            "NotKeptError",
            "StoreInUseError",
        ),
        0,
    ),
    **dict.fromkeys(("JobFailed", "InitFailed", "WrongReturnType", "RowsNotWritten"), 0),
    **dict.fromkeys(("bad_request", "UsageError", "BadParameter"), 0),
    **dict.fromkeys(("not_found", "job_refused", "Detail", "Finding"), 1),
    "ServiceFault": 2,
}
"""Each call that makes a message for users, and which of its arguments is the text."""

QUOTED = {"redact": 0, "str": 0, "shown": 0, "repr": 0}
"""Functions that hand their argument on, for this reading."""
KNOWN = {
    "suggestion": ["Did you mean '<word>'?", "Known are: <words>."],
    "existing": ["There are: '<names>'.", "There are none yet: create one first."],
}
"""Functions of other modules whose answers are sentences."""

Scope = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Message:
    """One call that makes a message, and the forms its text can take."""

    file: str
    line: int
    kind: str
    """Name of the function or class that is called."""
    texts: tuple[str, ...]
    call: ast.Call = field(compare=False)
    values: tuple[ast.expr, ...] = field(default=(), compare=False)
    """The expressions that are put into the text."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.kind}: {' // '.join(shown(text) for text in self.texts)}"


def shown(text: str) -> str:
    """Return a text as people read it."""
    return text.replace(OPEN, "<").replace(CLOSE, ">")


@dataclass
class Module:
    """One file, taken apart."""

    path: Path
    tree: ast.Module
    constants: dict[str, ast.expr] = field(default_factory=dict)
    functions: dict[str, Scope] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    holders: dict[ast.AST, Scope] = field(default_factory=dict)
    """Function that a node stands in."""
    calls: dict[str, list[ast.Call]] = field(default_factory=dict)
    """Calls of functions and methods by their last name."""


@cache
def module(path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    made = Module(path, tree)
    for one in tree.body:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            made.constants[one.targets[0].id] = one.value
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value:
            made.constants[one.target.id] = one.value
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE):
            made.imported.update({one.asname or one.name: (node.module, one.name) for one in node.names})
        elif isinstance(node, Scope):
            made.functions[node.name] = node
            made.holders.update({inner: node for inner in ast.walk(node) if inner is not node})
        elif isinstance(node, ast.Call):
            made.calls.setdefault(last_name(node.func), []).append(node)
    return made


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@dataclass
class Reader:
    """Turns expressions into texts, in one module."""

    of: Module
    depth: int = 0
    values: list[ast.expr] = field(default_factory=list)

    def texts(self, node: ast.expr, bound: Mapping[str, list[str]]) -> list[str]:
        """Return the forms that an expression can take as text."""
        self.depth += 1
        try:
            found = [value(node)] if self.depth > 18 else self._texts(node, bound)
        finally:
            self.depth -= 1
        return list(dict.fromkeys(found))[:MOST]

    def _texts(self, node: ast.expr, bound: Mapping[str, list[str]]) -> list[str]:
        if isinstance(node, ast.Constant | ast.JoinedStr):
            pieces = [self.texts(one, bound) for one in node.values] if isinstance(node, ast.JoinedStr) else None
            return joined(pieces) if pieces is not None else [str(getattr(node, "value", None) or "")]
        if isinstance(node, ast.FormattedValue):
            self.values.append(node.value)
            return self.texts(node.value, bound) if is_wordy(node.value) else [value(node.value)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return joined([self.texts(node.left, bound), self.texts(node.right, bound)])
        if isinstance(node, ast.IfExp):
            return [*self.texts(node.body, bound), *self.texts(node.orelse, bound)]
        if isinstance(node, ast.BoolOp):
            return [text for one in node.values for text in self.texts(one, bound) if text]
        if isinstance(node, ast.NamedExpr):
            return self.texts(node.value, bound)
        if isinstance(node, ast.Name):
            return self._named(node, bound)
        if isinstance(node, ast.Subscript):
            return self._picked(node, bound)
        if isinstance(node, ast.Call):
            return self._called(node, bound)
        return [value(node)]

    def _named(self, node: ast.Name, bound: Mapping[str, list[str]]) -> list[str]:
        if node.id in bound:
            return bound[node.id]
        holder = self.of.holders.get(node)
        if holder is not None and (local := list(reaching(holder, node))):
            added = [one.value for one in ast.walk(holder) if isinstance(one, ast.AugAssign) and is_added(one, node.id)]
            given = [one for one in local if not is_none(one)]
            found = [text for one in given for text in self.texts(one, bound)] or [value(node)]
            more = [text for one in added for text in self.texts(one, bound)]
            if more:
                return [f"{text}{one}" for text in found for one in more]
            return found
        if node.id in self.of.constants:
            return self.texts(self.of.constants[node.id], {})
        if node.id in self.of.imported:
            return self._from_elsewhere(node.id) or [value(node)]
        return [value(node)]

    def _from_elsewhere(self, name: str) -> list[str]:
        home, original = self.of.imported[name]
        path = file_of(home)
        if path is None or original not in module(path).constants:
            return []
        return Reader(module(path), self.depth).texts(module(path).constants[original], {})

    def _picked(self, node: ast.Subscript, bound: Mapping[str, list[str]]) -> list[str]:
        table = self.of.constants.get(last_name(node.value))
        if isinstance(table, ast.Dict):
            return [text for one in table.values for text in self.texts(one, bound)]
        return [value(node)]

    def _called(self, node: ast.Call, bound: Mapping[str, list[str]]) -> list[str]:
        name = last_name(node.func)
        if name in KNOWN:
            return [text.replace("<", OPEN).replace(">", CLOSE) for text in KNOWN[name]]
        if name in QUOTED and node.args:
            return self.texts(node.args[QUOTED[name]], bound)
        if name in ("rstrip", "strip", "lstrip") and isinstance(node.func, ast.Attribute):
            return self.texts(node.func.value, bound)
        if name == "format" and isinstance(node.func, ast.Attribute):
            return [filled(text, node) for text in self.texts(node.func.value, bound)]
        if name == "get" and len(node.args) == 2 and isinstance(node.func, ast.Attribute):
            table = self.of.constants.get(last_name(node.func.value))
            if isinstance(table, ast.Dict):
                return [text for one in (*table.values, node.args[1]) for text in self.texts(one, bound)]
        return self._answered(node, bound)

    def _answered(self, node: ast.Call, bound: Mapping[str, list[str]]) -> list[str]:
        """What a function of this module or another of the package returns, when that is words."""
        name = last_name(node.func)
        of, function = self.of, self.of.functions.get(name)
        if function is None and name in self.of.imported:
            of, original = at_home(self.of, name)
            function = of.functions.get(original)
        elif (
            function is None and isinstance(node.func, ast.Attribute) and last_name(node.func.value) in self.of.imported
        ):
            home, inner = self.of.imported[last_name(node.func.value)]
            path = file_of(f"{home}.{inner}")
            of = module(path) if path else self.of
            function = of.functions.get(name)
        if function is None or not returns_text(function):
            return [value(node)]
        given = {name: self.texts(one, bound) for name, one in arguments(function, node).items() if not is_none(one)}
        reader = Reader(of, self.depth)
        told = [one.value for one in ast.walk(function) if isinstance(one, ast.Return) and one.value is not None]
        found = [text for one in told for text in reader.texts(one, given)]
        self.values += reader.values
        return found or [value(node)]


def joined(parts: list[list[str]]) -> list[str]:
    """Join the pieces of a text so that each form of each piece is in one of the results."""
    most = max((len(one) for one in parts), default=0)
    return ["".join(one[number % len(one)] for one in parts) for number in range(most)] if all(parts) else []


def is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def filled(text: str, call: ast.Call) -> str:
    """``str.format`` with the names of what is put in."""
    for one in call.args:
        text = text.replace("{}", value(one), 1)
    for keyword in call.keywords:
        text = text.replace(f"{{{keyword.arg}}}", value(keyword.value))
    return text


def file_of(name: str) -> Path | None:
    path = ROOT / name.replace(".", "/")
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def at_home(of: Module, name: str) -> tuple[Module, str]:
    """Return the module of the package in which an imported name is made, whoever hands it on, and its name there."""
    while name in of.imported:
        home, name = of.imported[name]
        path = file_of(home)
        if path is None:
            break
        of = module(path)
    return of, name


def returns_text(function: Scope) -> bool:
    return function.returns is not None and ast.unparse(function.returns) in ("str", "str | None")


def is_wordy(node: ast.expr) -> bool:
    """Whether a value inside a text may be words of ours rather than the user's."""
    return isinstance(node, ast.Name | ast.IfExp | ast.Call | ast.Constant | ast.JoinedStr | ast.BoolOp | ast.Subscript)


def assigned(function: Scope, name: str) -> Iterator[ast.expr]:
    """What a function gives a local name, where that can be read."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from matched(target, node.value, name)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            yield from matched(node.target, node.value, name)


def reaching(function: Scope, use: ast.Name) -> Iterator[ast.expr]:
    """What a local name can hold where it is used: what the function's own lines gave it last, and later branches."""
    before = [one for one in function.body if isinstance(one, ast.Assign) and one.lineno < use.lineno]
    lines = [one.lineno for one in before for target in one.targets if any(matched(target, one.value, use.id))]
    return (one for one in assigned(function, use.id) if one.lineno >= max(lines, default=0))


def matched(target: ast.expr, given: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield given
    elif isinstance(target, ast.Tuple) and isinstance(given, ast.Tuple):
        for one, its in zip(target.elts, given.elts, strict=False):
            yield from matched(one, its, name)
    elif isinstance(target, ast.Tuple) and isinstance(given, ast.IfExp):
        yield from matched(target, given.body, name)
        yield from matched(target, given.orelse, name)


def is_added(node: ast.AugAssign, name: str) -> bool:
    return isinstance(node.target, ast.Name) and node.target.id == name


def arguments(function: Scope, call: ast.Call) -> dict[str, ast.expr]:
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args) if one.arg not in ("self", "cls")]
    given = dict(zip(names, (one for one in call.args if not isinstance(one, ast.Starred)), strict=False))
    given.update({one.arg: one.value for one in call.keywords if one.arg})
    defaults = dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
    more = {
        one.arg: its
        for one, its in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if its is not None
    }
    return {**defaults, **more, **given}


SAME_THING = frozenset({"partition", "rpartition", "split", "rsplit", "splitlines", "strip", "lstrip", "rstrip"}) | {
    *("removeprefix", "removesuffix", "replace", "encode", "decode", "lower", "upper", "expanduser", "resolve")
}
"""Methods after which a text is still what it was, for its reader."""


def value(node: ast.expr) -> str:
    """Return the mark of a value: the last telling name of its expression."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Call):
        return value(node.value)
    if isinstance(node, ast.Call) and (found := of_call(node)):
        return found
    names = [one for one in ast.walk(node) if isinstance(one, ast.Attribute | ast.Name)]
    if isinstance(node, ast.Attribute):
        told = node.attr if node.attr not in ("value", "__name__") else last_name(node.value) or node.attr
    else:
        told = last_name(node) or next((last_name(one) for one in names if last_name(one)), "value")
    return f"{OPEN}{told.strip('_').replace('_', ' ').lower()}{CLOSE}"


def of_call(node: ast.Call) -> str:
    """Return the mark of what a call gives; empty when its own name is the best there is."""
    name, of = last_name(node.func), node.func.value if isinstance(node.func, ast.Attribute) else None
    if of is not None and name in SAME_THING:
        return value(of)
    if name == "len":
        return f"{OPEN}number{CLOSE}"
    if name == "join" and node.args:
        of_each = node.args[0].generators[0].iter if isinstance(node.args[0], ast.GeneratorExp | ast.ListComp) else None
        return value(of_each or node.args[0])
    given = [one for one in node.args if not is_none(one)]
    if name in ("get", "getattr") and given:  # the key; what follows stands in for a value that is missing
        given = given[:1] if name == "get" else given[1:2]
    if not given:
        return value(of) if of is not None else ""
    text = given[-1].value if isinstance(given[-1], ast.Constant) else None
    if isinstance(text, str) and text.replace("-", "_").isidentifier():
        return f"{OPEN}{text}{CLOSE}"
    return value(given[-1])


def messages() -> Iterator[Message]:
    """Yield every call that makes a message."""
    for path in sorted(SOURCE.rglob("*.py")):
        yield from of_file(path)


def of_file(path: Path) -> Iterator[Message]:
    of = module(path)
    for node in ast.walk(of.tree):
        if isinstance(node, ast.Yield) and path.parent.name == "checks":
            yield from yielded(of, node)
        if not isinstance(node, ast.Call) or last_name(node.func) not in WHERE_THE_TEXT_IS:
            continue
        place = WHERE_THE_TEXT_IS[last_name(node.func)]
        text = node.args[place] if len(node.args) > place else None
        text = text or next((one.value for one in node.keywords if one.arg in ("message", "text")), None)
        if text is None:
            continue
        found, values = forms(of, node, text)
        name = str(path.relative_to(SOURCE))
        yield Message(name, node.lineno, last_name(node.func), tuple(found), node, tuple(values))


def yielded(of: Module, node: ast.Yield) -> Iterator[Message]:
    """Read a finding that a helper of the checks hands on as text, or as severity and text."""
    parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value] if node.value else []
    for one in parts:
        texts = Reader(of).texts(one, {}) if isinstance(one, ast.JoinedStr | ast.Constant | ast.Name) else []
        said = tuple(text for text in texts if " " in text)
        if said:
            yield Message(str(of.path.relative_to(SOURCE)), node.lineno, "Finding", said, ast.Call(one, [], []))


def forms(of: Module, call: ast.Call, text: ast.expr) -> tuple[list[str], list[ast.expr]]:
    """Return the forms of a text, one set for each caller of the private function that makes it."""
    reader = Reader(of)
    holder = of.holders.get(call)
    found: list[str] = []
    for bound in callers(of, holder) if holder is not None else [{}]:
        found += reader.texts(text, bound)
    return list(dict.fromkeys(found)), reader.values


def callers(of: Module, function: Scope, *, deep: bool = True) -> list[dict[str, list[str]]]:
    """What the callers of a private function in its own module hand it, as texts."""
    made: list[dict[str, list[str]]] = []
    known = of.calls.get(function.name, []) if function.name.startswith("_") else []
    for call in known:
        holder = of.holders.get(call)
        if holder is function:
            continue
        outer = callers(of, holder, deep=False)[0] if deep and holder is not None else {}
        given = arguments(function, call)
        words = {name: one for name, one in given.items() if is_wordy(one) and not is_none(one)}
        made.append({name: Reader(of).texts(one, outer) for name, one in words.items()})
    return made or [{}]

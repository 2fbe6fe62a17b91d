"""Whether statements can be run through to their end, or always return or raise before it."""

from __future__ import annotations

import ast
from itertools import chain

from azure_batch_endpoints.checks.source import name_of

_EXITS = {"sys.exit", "os._exit", "os.abort", "exit", "quit"}


def falls_off(statements: list[ast.stmt]) -> bool:
    """Whether the end of the statements can be reached."""
    return all(_goes_on(one) for one in statements)


def _goes_on(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break):
        return False
    if isinstance(statement, ast.Expr):
        return not (isinstance(statement.value, ast.Call) and name_of(statement.value.func) in _EXITS)
    if isinstance(statement, ast.Assert):
        return not (isinstance(statement.test, ast.Constant) and not statement.test.value)
    if isinstance(statement, ast.If):
        return falls_off(statement.body) or falls_off(statement.orelse)
    if isinstance(statement, ast.While | ast.For | ast.AsyncFor):
        return _loop_goes_on(statement)
    if isinstance(statement, ast.With | ast.AsyncWith):
        swallows = any("suppress" in ast.unparse(one.context_expr) for one in statement.items)
        return swallows or falls_off(statement.body)
    if isinstance(statement, ast.Try) or type(statement).__name__ == "TryStar":
        return _try_goes_on(statement)
    if isinstance(statement, ast.Match):
        return _match_goes_on(statement)
    return True


def _loop_goes_on(loop: ast.While | ast.For | ast.AsyncFor) -> bool:
    breaks = any(isinstance(one, ast.Break) for one in _inside_loop(loop.body))
    endless = isinstance(loop, ast.While) and isinstance(loop.test, ast.Constant) and bool(loop.test.value)
    if breaks:
        return True
    return not endless and falls_off(loop.orelse)


def _inside_loop(statements: list[ast.stmt]) -> list[ast.AST]:
    """Return the nodes of a loop's body without those of loops in it, whose ``break`` is their own."""
    found: list[ast.AST] = []
    for one in statements:
        found.append(one)
        if isinstance(one, ast.For | ast.While | ast.AsyncFor):
            found += _inside_loop(one.orelse)
        else:
            blocks = [getattr(one, name, []) for name in ("body", "orelse", "finalbody")]
            blocks += [inner.body for inner in (*getattr(one, "handlers", []), *getattr(one, "cases", []))]
            inside = (block for block in blocks if isinstance(block, list) and not isinstance(one, ast.FunctionDef))
            found += chain.from_iterable(_inside_loop(block) for block in inside)
    return found


def _try_goes_on(statement: ast.stmt) -> bool:
    block: ast.Try = statement  # type: ignore[assignment]  # or a TryStar, which has the same parts
    if block.finalbody and not falls_off(block.finalbody):
        return False
    return falls_off([*block.body, *block.orelse]) or any(falls_off(one.body) for one in block.handlers)


def _match_goes_on(statement: ast.Match) -> bool:
    catches_all = any(
        one.guard is None and isinstance(one.pattern, ast.MatchAs) and one.pattern.pattern is None
        for one in statement.cases
    )
    return not catches_all or any(falls_off(one.body) for one in statement.cases)

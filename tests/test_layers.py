"""Who may import whom, and which third-party library lives where. The tables are those of CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

PACKAGE = "azure_batch_endpoints"
ROOT = Path(__file__).parent.parent / PACKAGE


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(file): file for file in sorted(ROOT.rglob("*.py"))}

ROWS = (
    ("errors", "states", "_loopback", "_spelling", "_version"),
    ("_render", "_arguments"),
    (
        "inputs",
        "items",
        "_documents",
        "_spec_tables",
        "_spec_values",
        "_az_defaults",
        "_clouds",
        "_log_filter",
        "_storage.ignoring",
        "_refusals",
    ),
    ("_spec_fields", "_config"),
    ("_spec_base",),
    ("specs",),
    ("checks", "instrument"),
    ("_wire", "_http", "_rows", "_estimate"),
    ("_storage.failures", "_storage.credentials", "_storage.listing"),
    ("_storage.connection", "_storage.blocks"),
    ("_storage.blobs",),
    ("_workspace",),
    ("_storage", "_posting"),
    ("_entity", "_progress", "_runs", "_submit"),
    ("_cloud",),
    ("results", "logs", "assets", "computes", "datastores", "dryrun", "_retry"),
    ("_accounts", "_live", "_mini_batches", "_stopping", "_waiting", "_callbacks"),
    ("job",),
    ("jobs", "_several"),
    ("deployments", "comparison"),
    ("endpoints",),
    ("client",),
    ("official",),
    ("__init__",),
    ("cli", "pytest_plugin"),
)
"""A room imports from rows above its own only; rooms of one row do not know each other."""

SERVICE_MAY_IMPORT = {
    "errors",
    "states",
    "_version",
    "inputs",
    "items",
    "_documents",
    "_loopback",
    "specs",
    "checks",
    "instrument",
    "_wire",
    "_render",
    "_storage.blobs",
    "_storage.swift",
}
"""What local/ takes from the rest: values, the wire, HTML and the blob client; never the entities."""

INSIDE_A_FUNCTION = {
    ("client", "local"),  # BatchClient.local, the only way from the client to the service
    ("cli.local", "local"),  # abe local start, stop, status
    ("specs", "checks"),  # DeploymentSpec.check
    ("specs", "dryrun"),  # DeploymentSpec.dry_run
    ("dryrun", "local"),  # the dry run is one real worker
}

INSIDE_THE_SERVICE = {
    "local.plan": set[str](),
    "local.job": set[str](),
    "local.blobstore": {"local.disk"},
    "local.azurite": set[str](),
    "local.ledger_file": set[str](),
    "local.engines": {"local.plan", "local.logfiles"},
    "local.state": {"local.job", "local.job_rows", "local.ledger_file", "local.resources"},
    "local.scheduler": {"local.control", "local.job", "local.state"},
    "local.handlers": {
        "local.open_routes",
        "local.context",
        "local.deleting",
        "local.exchange",
        "local.faults",
        "local.job",
        "local.job_rows",
        "local.ledger",
        "local.ledger_reader",
        "local.ledger_values",
        "local.merging",
        "local.places",
        "local.resources",
        "local.state",
    },
}
"""What the rooms of local/ whose independence matters know of the others."""

HOMES = {
    "azure.ai.ml": ("azure-ai-ml", {"official"}),
    "azure.core": (
        "azure-core",
        {
            "_http",
            "_storage.blobs",
            "_storage.blocks",
            "_storage.connection",
            "_storage.failures",
            "client",
            "official",
        },
    ),
    "azure.mgmt.core": ("azure-mgmt-core", {"_http"}),
    "azure.identity": ("azure-identity", {"client"}),
    "azure.storage.blob": ("azure-storage-blob", {"_storage.blobs", "_storage.blocks", "_storage.connection"}),
    "click": ("click", {"cli"}),
    "filelock": ("filelock", {"local"}),
    "jinja2": ("jinja2", {"_render.pages"}),
    "jmespath": ("jmespath", {"cli"}),
    "json5": ("json5", {"local.exchange"}),
    "msrest": ("msrest", {"_wire.scalars"}),
    "obstore": ("obstore", {"_storage.swift"}),
    "packaging": ("packaging", {"local.environments"}),
    "mlflow": ("mlflow-skinny", {"local.mlflow_driver"}),
    "pandas": ("pandas", {"_rows", "items", "local.mlflow_driver"}),
    "pathspec": ("pathspec", {"_storage.ignoring"}),
    "psutil": ("psutil", {"local.engines.memory"}),
    "pyarrow": ("pyarrow", {"_rows", "results"}),
    "pydantic": ("pydantic", {"_spec_base", "_spec_values", "specs", "_wire.body", "_wire.models", "local.sizes"}),
    "pytest": ("", {"pytest_plugin"}),  # there when the plugin is loaded
    "starlette": ("starlette", {"local.app", "local.auth", "local.rendering", "local.stamping"}),
    "tenacity": ("tenacity", {"local.patience"}),
    "tqdm": ("tqdm", {"_progress.screen"}),
    "typing_extensions": ("typing_extensions", set(MODULES)),
    "uvicorn": ("uvicorn", {"local.blobstore.protocol", "local.server"}),
    "yaml": ("PyYAML", {"_documents", "local.environments"}),
}
"""Each third-party library: the distribution it comes with, and the rooms that may import it. No other is imported."""


@dataclass(frozen=True)
class Import:
    """One import statement.

    Attributes:
        importer: module that imports, without the package's name; ``__init__`` is the package itself.
        target: module of the package, likewise; or the dotted name of a foreign one.
        own: whether the target belongs to the package.
        when: at import of the module, when a function runs, or for type checkers only.
        line: where.
    """

    importer: str
    target: str
    own: bool
    when: Literal["import", "call", "typing"]
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} -> {self.target} ({self.when})"


def statements(
    nodes: list[ast.stmt], when: Literal["import", "call", "typing"] = "import"
) -> Iterator[tuple[ast.Import | ast.ImportFrom, Literal["import", "call", "typing"]]]:
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, when
        elif (
            isinstance(node, ast.If)
            and "TYPE_CHECKING" in ast.dump(node.test)
            and not isinstance(node.test, ast.UnaryOp)
        ):
            yield from statements(node.body, "typing")
            yield from statements(node.orelse, when)
        else:
            deeper = "call" if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and when == "import" else when
            for field in ("body", "orelse", "finalbody"):
                yield from statements(getattr(node, field, []), deeper)
            for handler in getattr(node, "handlers", []) + getattr(node, "cases", []):
                yield from statements(handler.body, deeper)


def targets(node: ast.Import | ast.ImportFrom, importer: str) -> list[str]:
    """Dotted names of the modules that a statement loads."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    module = node.module or ""
    if node.level == 1 and within(importer, "local.worker"):  # it has another name under other interpreters
        module = f"{PACKAGE}.local.worker.{module}"
    else:
        assert node.level == 0, f"{importer}:{node.lineno} imports relatively; write the whole name"
    if module.split(".")[0] != PACKAGE:
        return [module]
    inner = module.removeprefix(PACKAGE).lstrip(".")
    found = [f"{inner}.{alias.name}".lstrip(".") for alias in node.names]
    return [f"{PACKAGE}.{name if name in MODULES else inner or '__init__'}" for name in found]


@cache
def imports() -> tuple[Import, ...]:
    found = []
    for importer, file in MODULES.items():
        for node, when in statements(ast.parse(file.read_text(encoding="utf-8")).body):
            for target in targets(node, importer):
                own = target.split(".")[0] == PACKAGE
                name = (target.removeprefix(PACKAGE).lstrip(".") or "__init__") if own else target
                found.append(Import(importer, name, own, when, node.lineno))
    return tuple(found)


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def row_of(module: str) -> tuple[int, str]:
    """Number of the row and the room that a module belongs to: the longest name in ROWS that fits."""
    rooms = [(room, number) for number, row in enumerate(ROWS) for room in row if within(module, room)]
    assert rooms, f"'{module}' has no row: add it to ROWS here and to the table in CONTRIBUTING.md"
    room, number = max(rooms, key=lambda one: len(one[0]))
    return number, room


def is_excepted(one: Import) -> bool:
    return one.when == "call" and any(
        within(one.importer, importer) and within(one.target, target) for importer, target in INSIDE_A_FUNCTION
    )


def goes_up(one: Import) -> bool:
    (from_row, from_room), (to_row, to_room) = row_of(one.importer), row_of(one.target)
    return from_room != to_room and to_row >= from_row


def test_a_room_imports_only_from_rows_above_it() -> None:
    client_side = [one for one in imports() if one.own and one.when != "typing" and not within(one.importer, "local")]
    wrong = [one for one in client_side if not is_excepted(one) and (within(one.target, "local") or goes_up(one))]

    assert not wrong, "\n".join(map(str, wrong))


def test_the_local_service_never_imports_the_entities() -> None:
    service = [
        one for one in imports() if one.own and within(one.importer, "local") and not within(one.target, "local")
    ]
    wrong = [one for one in service if not any(within(one.target, room) for room in SERVICE_MAY_IMPORT)]

    assert not wrong, "\n".join(map(str, wrong))


def test_the_worker_needs_nothing_but_the_standard_library() -> None:
    of_the_worker = [one for one in imports() if within(one.importer, "local.worker")]
    loaded = {one.target.split(".")[0] for one in of_the_worker if not one.own}
    own = [str(one) for one in of_the_worker if one.own and not within(one.target, "local.worker")]

    assert own == []
    assert loaded <= sys.stdlib_module_names


@pytest.mark.parametrize("room", INSIDE_THE_SERVICE)
def test_a_room_of_the_service_knows_no_more_than_it_should(room: str) -> None:
    known = {room, *INSIDE_THE_SERVICE[room]}
    inside = [one for one in imports() if one.own and one.when != "typing" and within(one.importer, room)]
    wrong = [
        one for one in inside if within(one.target, "local") and not any(within(one.target, other) for other in known)
    ]

    assert not wrong, "\n".join(map(str, wrong))


def test_no_modules_import_each_other_in_a_circle() -> None:
    arrows: dict[str, set[str]] = {module: set() for module in MODULES}
    for one in imports():
        if one.own and one.when == "import" and one.target != one.importer:
            arrows[one.importer].add(one.target)

    # What imports nothing that is left can be taken away; what cannot be taken away is a circle.
    while free := [module for module, needed in arrows.items() if not needed & arrows.keys()]:
        for module in free:
            del arrows[module]

    assert arrows == {}


def foreign_imports() -> list[Import]:
    return [one for one in imports() if not one.own and one.target.split(".")[0] not in sys.stdlib_module_names]


def library_of(one: Import) -> str:
    return next((library for library in HOMES if within(one.target, library)), one.target)


def test_every_third_party_library_is_imported_only_at_its_home() -> None:
    run = [one for one in foreign_imports() if one.when != "typing"]
    homes = {library: rooms for library, (_, rooms) in HOMES.items()}
    wrong = [one for one in run if not any(within(one.importer, room) for room in homes.get(library_of(one), set()))]

    assert not wrong, "\n".join(map(str, wrong))


def test_every_third_party_library_is_declared() -> None:
    declared = {
        name.split(">")[0].split(";")[0].strip().lower()
        for name in re.findall(r'"([A-Za-z][\w.-]+>=[^"]*)"', (ROOT.parent / "pyproject.toml").read_text())
    }
    used = {library_of(one) for one in foreign_imports()}

    assert {HOMES[library][0].lower() for library in used & HOMES.keys()} - {""} <= declared


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = [
        "azure.identity",
        "azure.storage.blob",
        "pandas",
        "numpy",
        "pyarrow",
        "starlette",
        "uvicorn",
        "ray",
        "mlflow",
    ]
    code = f"import sys, {PACKAGE}; print([name for name in {heavy} if name in sys.modules])"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=150)

    assert answer.stdout.strip() == "[]"


def test_contributing_shows_the_same_rows_and_has_a_line_for_every_module() -> None:
    text = (ROOT.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [f"| {number} | {' · '.join(f'`{room}`' for room in row)} |" for number, row in enumerate(ROWS)]
    files = [str(file.relative_to(ROOT)) for file in MODULES.values()]

    assert [row for row in rows if row not in text] == []
    assert [file for file in files if f"| `{file}` |" not in text] == []

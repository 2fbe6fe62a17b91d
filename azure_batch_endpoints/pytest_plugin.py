"""pytest fixtures for code that uses batch endpoints; nothing starts until one is asked for.

Importing it is cheap beyond the package itself. The client is imported by the fixtures.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from azure_batch_endpoints.client import BatchClient
    from azure_batch_endpoints.endpoints import BatchEndpoint
    from azure_batch_endpoints.specs import DeploymentSpec

Scoring: TypeAlias = "Callable[[list[str]], object]"
_CLOUD = "--batch-cloud"


class ScoringScripts(Protocol):
    """What the fixture ``scoring_script`` is."""

    def __call__(self, run: Scoring | str, /, *, init: Callable[[], None] | None = None) -> Path:
        """Write a scoring script into a folder of its own.

        Args:
            run: the ``run(mini_batch)`` function, under any name, or the whole script as text.
            init: the ``init()`` function; None: one that does nothing. Not with text.

        Returns:
            the script; its folder is the deployment's ``code``.

        Raises:
            ValueError: a function that cannot stand alone in a file.
        """
        ...


class BatchEndpointFactory(Protocol):
    """What the fixture ``batch_endpoint`` is."""

    def __call__(
        self, scoring: DeploymentSpec | Scoring | str, /, *, init: Callable[[], None] | None = None, **fields: Any
    ) -> BatchEndpoint:
        """Create an endpoint of a new name with one deployment, its default.

        Args:
            scoring: a deployment, or what ``scoring_script`` takes.
            init: as for ``scoring_script``.
            fields: fields of ``DeploymentSpec``, e.g. ``settings=RunSettings(mini_batch_size=1)``; not with a spec.
                Without ``model`` there is an empty one.

        Returns:
            the endpoint; deleted after the test.

        Raises:
            ValueError: ``init`` or fields beside a spec, or a function that cannot stand alone in a file.
        """
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--batch-cloud``."""
    parser.getgroup("azure batch endpoints").addoption(
        _CLOUD,
        action="store_true",
        help="batch_client is the Azure workspace that config.json or the environment names, not a local service",
    )


@pytest.fixture(scope="session")
def batch_client(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchClient]:
    """Return a client of a local service on a folder of this session; with ``--batch-cloud`` of a real workspace."""
    from azure_batch_endpoints.client import BatchClient

    cloud = bool(pytestconfig.getoption(_CLOUD))
    with BatchClient.from_config() if cloud else BatchClient.local(tmp_path_factory.mktemp("batch")) as client:
        yield client


@pytest.fixture
def scoring_script(tmp_path_factory: pytest.TempPathFactory) -> ScoringScripts:
    """Return the function that writes a scoring script into a folder of its own."""

    def write(run: Scoring | str, /, *, init: Callable[[], None] | None = None) -> Path:
        script = tmp_path_factory.mktemp("code") / "score.py"
        script.write_text(textwrap.dedent(run) if isinstance(run, str) else _script(run, init), encoding="utf-8")
        return script

    return write


@pytest.fixture
def batch_endpoint(
    batch_client: BatchClient, scoring_script: ScoringScripts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BatchEndpointFactory]:
    """Return the function that creates an endpoint with one deployment; both are deleted after the test."""
    from azure_batch_endpoints.specs import DeploymentSpec

    with ExitStack() as leaving:

        def create(
            scoring: DeploymentSpec | Scoring | str, /, *, init: Callable[[], None] | None = None, **fields: Any
        ) -> BatchEndpoint:
            if isinstance(scoring, DeploymentSpec):
                if fields or init is not None:
                    raise ValueError(
                        "A DeploymentSpec has all its fields already. Change it: spec.model_copy(update=…)."
                    )
                spec = scoring
            else:
                script = scoring_script(scoring, init=init)
                model = fields.pop("model", None) or _empty_model(tmp_path_factory.mktemp("model"))
                named = {"name": "default", **fields}
                spec = DeploymentSpec(model=model, code=script.parent, scoring_script=script.name, **named)
            endpoint = batch_client.endpoints.create(f"test-{uuid4().hex[:16]}")
            leaving.callback(endpoint.delete)
            endpoint.deployments.create(spec, set_default=True)
            return endpoint.refresh()

        yield create


def _empty_model(folder: Path) -> Path:
    path = folder / "empty.txt"
    path.write_text("This scoring script needs no model.\n", encoding="utf-8")
    return path


def _script(run: Scoring, init: Callable[[], None] | None) -> str:
    functions = {"run": _plain(run)}
    if init is not None:
        functions["init"] = _plain(init)
    known = {name for one in functions.values() for name in (one.__name__, *_names(one.__code__, "STORE_GLOBAL"))}
    imports = dict.fromkeys(line for one in functions.values() for line in _imports(one, known))
    parts = ["from __future__ import annotations", *imports]
    for name, one in functions.items():
        parts.append(textwrap.dedent(inspect.getsource(one)))
        parts += [f"{name} = {one.__name__}"] if one.__name__ != name else []
    return "\n".join([*parts, *([] if init is not None else ["def init():", "    pass"]), ""])


def _plain(function: object) -> FunctionType:
    if isinstance(function, FunctionType) and function.__name__.isidentifier() and not function.__closure__:
        return function
    raise ValueError(
        f"{function!r} cannot be written into a scoring script: it is a lambda, a method, or uses names of the "
        "function around it. Write a plain function that has all it needs inside, or pass the script as text."
    )


def _imports(function: FunctionType, known: set[str]) -> Iterator[str]:
    """Yield the imports a function needs from the module it was written in; nothing else can come along."""
    for name in sorted(_names(function.__code__, "LOAD_GLOBAL") - known - vars(builtins).keys()):
        if name.startswith("@"):  # pytest's own, in the assert statements of a test module; the source has none
            continue
        line = _import_line(name, function.__globals__.get(name), function.__module__)
        if line is None:
            raise ValueError(
                f"The scoring function '{function.__name__}' uses '{name}' of its module, which does not come along "
                "into the scoring script. Define or import it inside the function, or pass the script as text."
            )
        yield line


def _import_line(name: str, value: object, here: str) -> str | None:
    """Return what imports a module, or a class or function of one other than the test's own; None when nothing does."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    if not (inspect.isclass(value) or inspect.isroutine(value)) or value.__module__ == here:
        return None
    found = getattr(sys.modules.get(value.__module__), value.__name__, None) is value
    return f"from {value.__module__} import {value.__name__} as {name}" if found else None


def _names(code: CodeType, operation: str) -> set[str]:
    found = {str(one.argval) for one in dis.get_instructions(code) if one.opname == operation}
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return found.union(*(_names(one, operation) for one in inner))

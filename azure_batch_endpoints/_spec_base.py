"""What every spec shares: keyword construction, reading YAML, and the wording of what was wrong.

The specs themselves are in ``specs``.
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import Self

from azure_batch_endpoints import _documents
from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints.errors import SpecError

AnyPath: TypeAlias = str | PathLike[str]
_REFERENCE = (
    "azureml:",
    "/subscriptions/",
    "http://",
    "https://",
    "wasb://",
    "wasbs://",
    "abfs://",
    "abfss://",
    "runs:/",
)


def is_reference(value: str | PathLike[str]) -> bool:
    """Whether a model, environment or data path names something in the workspace or in storage, not a local path."""
    return isinstance(value, str) and value.startswith(_REFERENCE)


class Spec(BaseModel):
    """Base of the specs: frozen, keyword-only, unknown names refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)
    _table: ClassVar[_documents.Table] = {}
    _paths: ClassVar[tuple[str, ...]] = ()

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _spec_error(error, type(self)) from None

    @classmethod
    def from_yaml(cls, path: AnyPath, **overrides: Any) -> Self:
        """Read the spec from a YAML file in the spelling of 2021 or of today.

        Relative paths in the file count from the file's folder.

        Args:
            path: the file.
            overrides: fields of this spec that replace what the file says, e.g. ``name="blue"``.

        Raises:
            LocalPathError: there is no such file.
            SpecError: an unknown or wrongly typed setting, with file, line and the nearest known spelling.
        """
        document = _documents.read(path)
        fields = _documents.arrange(document, cls._table)
        fields.values.pop("_ignored", None)
        for name in overrides:
            if name not in cls.model_fields:
                raise SpecError(
                    f"{cls.__name__} has no field '{name}'. {suggestion(name, set(cls.model_fields))}",
                    field=name,
                )
        values = {**fields.values, **overrides}
        try:
            cls._from_file(values, document.path.absolute().parent)
            return cls(**values)
        except SpecError as error:
            raise _located(error, document, fields) from None

    @classmethod
    def _from_file(cls, values: dict[str, Any], folder: Path) -> None:
        for name in cls._paths:
            value = values.get(name)
            if isinstance(value, str) and not is_reference(value):
                values[name] = folder / value.removeprefix("file:")


def _spec_error(error: ValidationError, spec: type[Spec]) -> SpecError:
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    where = tuple(str(part) for part in first["loc"] if isinstance(part, int) or str(part).isidentifier())
    where = tuple(part for part in where if part not in {"str", "Path", "is", "ModelSpec", "EnvironmentSpec"})
    field = ".".join(where)
    nested = first.get("ctx", {}).get("error")
    if isinstance(nested, SpecError):
        dotted = f"{field}.{nested.field}" if nested.field else field
        joint = "." if nested.field and str(nested).startswith(nested.field) else ": "
        return SpecError(f"{field}{joint}{nested}" if field else str(nested), field=dotted.lstrip("."))
    if first["type"] == "extra_forbidden":
        known = set(spec.model_fields)
        return SpecError(f"{spec.__name__} has no field '{field}'. {suggestion(where[-1], known)}", field=field)
    if first["type"] == "missing":
        return SpecError(f"{spec.__name__} needs '{field}'.", field=field)
    if not field:
        return SpecError(f"{spec.__name__}: {first['msg'].removeprefix('Value error, ')}.", field=None)
    return SpecError(
        f"{field} is {_shown(first['input'])}; {_allowed(first, f'{spec.__name__}.{field}')}.", field=field
    )


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__


def _allowed(detail: Mapping[str, Any], field: str) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "literal_error":
        return f"it can be {context['expected']}"
    if detail["type"].startswith(("string_pattern", "string_too")):
        return _NAMING.get(field, "letters, digits, '-', '_' and '.' are allowed, a letter or digit first")
    text = str(detail["msg"]).removeprefix("Value error, ").replace("Input should", "it should")
    return text.replace("a valid dictionary", "'name: value' pairs").replace("a valid string", "a text")


_NAME = "a name has {} to 32 letters, digits and '-', starts with a letter and ends with a letter or digit"
_NAMING = {
    "EndpointSpec.name": _NAME.format(3),
    "DeploymentSpec.name": _NAME.format(3),
    "ComputeSpec.name": _NAME.format(2).split(" and ends")[0],
    "RunSettings.output_file_name": 'it is a file name, without any of ~"#%&*:<>?/\\{|}',
}


def _located(error: SpecError, document: _documents.Document, fields: _documents.Fields) -> SpecError:
    """The same error with the file and the line of the field it is about."""
    if error.path is not None:
        return error
    target = tuple((error.field or "").split("."))
    known = {**document.lines, **fields.lines}
    near = [path for path in known if path in (target, target[: len(path)]) or path[-1:] == target]
    line = (known[max(near, key=len)] or None) if near and target != ("",) else None
    return SpecError(str(error), path=document.path, line=line, field=error.field)


def inside(name: str, error: SpecError) -> SpecError:
    """Return the error of a spec within a spec, with the outer field's name before its own."""
    field = f"{name}.{error.field}" if error.field else name
    starts = error.field is not None and str(error).startswith(error.field)
    return SpecError(f"{name}{'.' if starts else ': '}{error}", field=field)

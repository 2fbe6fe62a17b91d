"""What every spec shares: keyword construction, reading and writing YAML, and the wording of what was wrong.

The specs themselves are in ``specs``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pydantic import BaseModel, PrivateAttr, ValidationError
from typing_extensions import Self

from azure_batch_endpoints import _documents, _render, _spec_fields
from azure_batch_endpoints._spec_values import KEPT, Bare, Keywords, allowed, own, veiled
from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints.errors import LocalPathError, SpecError, redact

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
_SCHEMAS = "https://azuremlschemas.azureedge.net/latest/"


def is_reference(value: str | PathLike[str]) -> bool:
    """Whether a model, environment or data path names something in the workspace or in storage, not a local path."""
    return isinstance(value, str) and value.startswith(_REFERENCE)


@dataclass(frozen=True)
class Origin:
    """The YAML file that a spec was read from.

    Attributes:
        path: the file.
        lines: line of each of the spec's fields.
    """

    path: Path
    lines: Mapping[_documents.KeyPath, int]

    @property
    def folder(self) -> Path:
        """From where the file's relative paths count."""
        return self.path.absolute().parent

    def within(self, name: str) -> "Origin":
        """Return the origin of a spec that stands under a field."""
        return Origin(self.path, {path[1:]: line for path, line in self.lines.items() if path[0] == name and path[1:]})


class Spec(
    BaseModel,
    frozen=True,
    extra="forbid",
    arbitrary_types_allowed=True,
    defer_build=True,
    hide_input_in_errors=True,
):
    """Base of the specs: frozen, keyword-only, unknown names refused."""

    _table: ClassVar[_spec_fields.Table] = {}
    _refused: ClassVar[_spec_fields.Refused] = {}
    _written: ClassVar[tuple[_documents.KeyPath, ...]] = ()
    _schema: ClassVar[str] = ""
    _paths: ClassVar[tuple[str, ...]] = ()
    _origin: Origin | None = PrivateAttr(default=None)

    if not TYPE_CHECKING:
        __signature__ = Keywords()

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _spec_error(error, type(self)) from error

        def __setattr__(self, name: str, value: object) -> None:
            if not name.startswith("_"):
                said = f"'{name}' of a {type(self).__name__} cannot be set. Make another one: spec.changed({name}=...)."
                raise SpecError(said, field=name)
            super().__setattr__(name, value)

        def __delattr__(self, name: str) -> None:
            self.__setattr__(name, None)  # the same refusal

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__  # wherever they were read from

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """What ``repr`` shows: every field, without what opens anything."""
        return [(name, Bare(veiled(getattr(self, name, None), name))) for name in type(self).model_fields]

    def _repr_html_(self) -> str:
        rows = [(name, value) for name, value in self.__repr_args__() if name and str(value) != "None"]
        return _render.card(type(self).__name__, rows)

    @classmethod
    def from_yaml(cls, path: AnyPath, **overrides: Any) -> Self:
        """Read the spec from a YAML file in the spelling of 2021 or of today.

        Paths in the file count from the file's folder, ``~`` is the home folder; environment variables stay as written.

        Args:
            path: the file.
            overrides: what replaces the file's own: fields of this spec, e.g. ``name="blue"``, or keys as the file may
                have them, dotted: ``**{"settings.mini_batch_size": 5, "tags.team": "vision"}``. Paths among them count
                from the current folder.

        Raises:
            LocalPathError: there is no such file.
            SpecError: an unknown or wrongly typed setting, with file, line and the nearest known spelling.
        """
        document = _documents.read(path)
        try:
            return cls._from_document(document, overrides)
        except SpecError as error:
            said = _other_kind(document, cls)
            raise (SpecError(said, path=document.path) if said else error) from error.__cause__

    @classmethod
    def _from_document(cls, document: _documents.Document, overrides: Mapping[str, Any]) -> Self:
        found = _spec_fields.arrange(document, cls._table, cls._refused)
        found.values.pop("_ignored", None)
        here = {name: from_here(name, value) for name, value in overrides.items()}
        fields = _spec_fields.overlaid(found, (cls._table, cls.model_fields), here, cls.__name__)
        origin = Origin(document.path, fields.lines)
        try:
            cls._from_file(fields.values, origin)
            return cls(**fields.values)._named_in(origin)
        except SpecError as error:
            raise _located(error, document, fields) from error.__cause__

    def _changed(self, values: Mapping[str, Any] | None, **given: object) -> Self:
        """Return this spec with other values in it, named as for :meth:`from_yaml`; what is ``KEPT`` stays."""
        overrides = {**(values or {}), **{name: value for name, value in given.items() if value is not KEPT}}
        here = {name: from_here(name, value) for name, value in overrides.items()}
        reached = {name.partition(".")[0] for name in here if "." in name} | {"settings"}
        values = {name: _opened(value, reached=name in reached) for name, value in self}
        whole = _spec_fields.Fields(values, self._origin.lines if self._origin else {})
        kind = type(self)
        here = {name: _opened(value, reached=name in reached) for name, value in here.items()}
        fields = _spec_fields.overlaid(whole, (self._table, kind.model_fields), here, kind.__name__)
        made = kind(**fields.values)
        return made if self._origin is None else made._named_in(Origin(self._origin.path, fields.lines))

    def to_yaml(self, path: AnyPath | None = None) -> str:
        """Return the spec as YAML in today's spelling; ``from_yaml`` reads it back.

        Secrets that stand in a path or in ``environment_variables`` are in the text as they are.

        Args:
            path: a file to write it to, replaced if it is there; paths below its folder are written relative to it.
                None: all paths are absolute.

        Raises:
            LocalPathError: the file cannot be written.
        """
        file = None if path is None else Path(path)
        data = self._as_file(None if file is None else file.absolute().parent)
        text = _documents.text_of(
            {"$schema": f"{_SCHEMAS}{self._schema}.schema.json", **data} if self._schema else data
        )
        if file is not None:
            try:
                file.write_text(text, encoding="utf-8")
            except OSError as error:
                said = f"'{file}' cannot be written ({error.strerror}). Check that its folder is there."
                raise LocalPathError(said, path=file) from error
        return text

    def named_in(self, field: str) -> str:
        """Say in which file and line a field stands, as it follows a text; empty for a spec made of keywords."""
        if self._origin is None:
            return ""
        line = next((line for path, line in sorted(self._origin.lines.items()) if path[0] == field and line), None)
        return f" (named in '{self._origin.path}', line {line})" if line else ""

    def _named_in(self, origin: Origin) -> Self:
        self._origin = origin  # pyright: ignore[reportAttributeAccessIssue] # pydantic lets a private one be set
        return self

    def _as_file(self, folder: Path | None) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for keys in self._written:
            value: Any = self
            for name in self._table[keys]:
                value = getattr(value, name, None)
            if keys[-1] in self._paths and isinstance(value, str) and not is_reference(value):
                value = Path(value)
            shown = _shown_in_file(value, folder)
            if shown is not None and shown is not False and shown != {}:
                place = data
                for key in keys[:-1]:
                    place = place.setdefault(key, {})
                place[keys[-1]] = shown
        return data

    @classmethod
    def _takes(cls, data: Mapping[str, Any]) -> bool:
        """Whether every key of a file is one of this kind, and none is missing."""
        needed = {name for name, one in cls.model_fields.items() if one.is_required()}
        return set(data) <= {path[0] for path in cls._table} and needed <= set(data)

    @classmethod
    def _from_file(cls, values: dict[str, Any], origin: Origin) -> None:
        if isinstance(values.get("properties"), dict):
            values["properties"] = own(values["properties"])  # of what the service has shown
        for name in cls._paths:
            value = values.get(name)
            if isinstance(value, str) and value and not is_reference(value):
                values[name] = origin.folder / _expanded(value.removeprefix("file:"))


def _other_kind(document: _documents.Document, wanted: type[Spec]) -> str:
    """Say that a file which could not be read is one of another kind, by its ``$schema`` or by its keys."""
    kinds = {one._schema: one for one in Spec.__subclasses__() if one._schema}
    schema = str(document.data.get("$schema") or "").rpartition("/")[2].removesuffix(".schema.json")
    if schema:
        found, by = kinds.get(schema), f"its $schema says '{schema}'"
    else:
        refused = any((key,) in wanted._refused for key in document.data)  # which is said already, with its line
        fitting = [] if refused else [one for one in kinds.values() if one._takes(document.data)]
        found, by = fitting[0] if len(fitting) == 1 else None, "its keys are those of one"
    if found is None or found is wanted or not wanted._schema:
        return ""
    kind, asked = (one.__name__.removesuffix("Spec").lower() for one in (found, wanted))
    return f"this is the file of another kind, '{kind}', not '{asked}': {by}. Name the YAML file of the {asked}."


def _opened(value: object, *, reached: bool) -> object:
    """A spec within a spec as the mapping of its fields, so that single ones can be replaced."""
    if isinstance(value, Spec) and reached:
        return {name: _opened(inner, reached=True) for name, inner in value}
    return dict(value) if isinstance(value, Mapping) else value


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no such user
        return Path(text)


def from_here(name: str, value: object) -> object:
    """An override's path, which counts from the current folder and not from the file's."""
    is_path = name.rpartition(".")[2] in {"path", "local_path", "code", "model", "environment", "conda_file"}
    return _expanded(value) if is_path and isinstance(value, str) and value and not is_reference(value) else value


def _shown_in_file(value: object, folder: Path | None) -> object:
    if isinstance(value, Spec):
        return value._as_file(folder)
    if isinstance(value, PathLike):
        return _path_in_file(Path(fspath(value)), folder)
    if isinstance(value, Mapping):
        return {str(key): _shown_in_file(one, folder) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown_in_file(one, folder) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _path_in_file(path: Path, folder: Path | None) -> str:
    path = path.absolute()
    if folder is not None and path.is_relative_to(folder):
        return f"./{path.relative_to(folder).as_posix()}"
    return path.as_posix()


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
        return SpecError(f"{spec.__name__} needs '{field}'. Give it.", field=field)
    if not field:
        return SpecError(f"{spec.__name__}: {first['msg'].removeprefix('Value error, ')}.", field=None)
    return SpecError(f"{field} is {_shown(first['input'])}; {allowed(first, f'{spec.__name__}.{field}')}.", field=field)


def _shown(value: object) -> str:
    return redact(repr(value)) if isinstance(value, str | int | float | bool | None) else type(value).__name__


def _located(error: SpecError, document: _documents.Document, fields: _spec_fields.Fields) -> SpecError:
    """The same error with the file and the line of the field it is about."""
    if error.path is not None:
        return error
    target = tuple((error.field or "").split("."))
    if any(target[: len(given)] == given for given in fields.given):
        return SpecError(f"{error} (an override of '{document.path.name}')", field=error.field)
    known = {**document.lines, **fields.lines}
    near = [path for path in known if path in (target, target[: len(path)]) or path[-1:] == target]
    line = (known[max(near, key=len)] or None) if near and target != ("",) else None
    return SpecError(str(error), path=document.path, line=line, field=error.field)


def inside(name: str, error: SpecError) -> SpecError:
    """Return the error of a spec within a spec, with the outer field's name before its own."""
    field = f"{name}.{error.field}" if error.field else name
    starts = error.field is not None and str(error).startswith(error.field)
    return SpecError(f"{name}{'.' if starts else ': '}{error}", field=field)

"""What an invoke asked for against what a job's answers say: the scoring URI's, and the management route's.

No answer says everything. The scoring URI's older stack names settings one by one, the newer one within
``azureml.parameters`` only; a job's output stands in ``outputData``, in ``outputs``, in ``output`` of 2021, or nowhere
until the job has ended; its experiment in the management route's answer alone (public recordings). What no answer has
named cannot be compared. The local service is exact: every place of its answers shows the job's own value, and the last
answer shows everything but the inputs, so there what one place contradicts, or what is nowhere at the end, is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from urllib.parse import unquote

from azure_batch_endpoints._wire import alike, kept, routes
from azure_batch_endpoints._wire.convert import JobOverrides
from azure_batch_endpoints._wire.jobview import deployments_named, folder_of, job_view, output_of
from azure_batch_endpoints.errors import NotKept, redact
from azure_batch_endpoints.inputs import Input

_Places: TypeAlias = "list[Any]"
_SETTINGS: Mapping[str, tuple[str, str]] = {
    "mini_batch_size": ("miniBatchSize", "mini_batch_size"),
    "instance_count": ("compute.instanceCount", "NodeCount"),
    "max_concurrency_per_instance": ("maxConcurrencyPerInstance", "process_count_per_node"),
    "error_threshold": ("errorThreshold", "error_threshold"),
    "logging_level": ("loggingLevel", "logging_level"),
    "retry_settings.max_retries": ("retrySettings.maxRetries", "run_max_try"),
    "retry_settings.timeout": ("retrySettings.timeout", "run_invocation_timeout"),
    "output_file_name": ("outputFileName", "append_row_file_name"),
}
"""Where answers say a setting: below ``properties``, and in ``azureml.parameters``."""
_RULES: Mapping[str, alike.Same] = {
    "logging_level": alike.same_words,
    "retry_settings.timeout": alike.same_duration,
    "output": alike.same_place,
    "deployment": alike.same_name,
}


@dataclass(frozen=True)
class AskedJob:
    """What a call asked for.

    Attributes:
        overrides: beside the inputs.
        inputs: by name, as they were sent.
        deployment: who was to score, or None for the default one.
        named: whether the user chose the job's name; one that this client made up may change.
        retry_of: the job whose failed files it scores, or None.
        exact: whether the answers show the job's own values, as the local service's do. Azure's may show the
            deployment's settings (no recording has an invoke that overrides any) and know the job by another name:
            there only another deployment, another input or another output contradicts what was asked for.
    """

    overrides: JobOverrides
    inputs: Mapping[str, Input] = field(default_factory=dict)
    deployment: str | None = None
    named: bool = False
    retry_of: str | None = None
    exact: bool = False


@dataclass(frozen=True)
class _Asked:
    """One value that was asked for, and what the answer says in each place that could say it."""

    field: str
    value: object
    said: _Places
    same: Callable[[Any, Any], bool]
    matters: bool = True
    certain: bool = True
    every: bool = False
    """Whether all places show the value itself; else one that agrees is enough."""

    @property
    def loss(self) -> kept.Loss | None:
        """What was lost, or None."""
        others = [one for one in self.said if not self.same(self.value, one)]
        if not others or (not self.every and len(others) < len(self.said)):
            return None
        there = others[0]
        shown = None if there in (None, "") else redact(str(there))
        value = redact(str(self.value)) if isinstance(self.value, str) else self.value
        return kept.Loss(NotKept(self.field, value, shown), matters=self.matters, certain=self.certain)


class Comparing:
    """What one call asked for, compared with one answer after the other; each loss is told once.

    Where answers are not exact, a value that one of them confirmed is not looked at again.
    """

    def __init__(self, asked: AskedJob) -> None:
        self._asked = asked
        self._first: Mapping[str, Any] | None = None
        self._seen: set[str] = set()
        self._lost: set[str] = set()

    def judge(self, job: object, name: str, raw: Mapping[str, Any], *, ended: bool) -> None:
        """Compare with an answer.

        Args:
            job: the job, for the error.
            name: its name.
            raw: the answer.
            ended: whether it has ended.

        Raises:
            NotKeptError: something that matters is another than was asked for.
        """
        if self._first is None:
            self._first = raw  # the scoring URI's: it leaves out what the management route's has
        last = ended and raw != self._first
        said = compared(self._asked, raw, seen=self._seen if last else None)
        done = self._lost if self._asked.exact else self._seen
        lost = {field: loss for field, loss in said.items() if loss is not None and field not in done}
        self._seen |= said.keys()
        self._lost |= lost.keys()
        remedy = (
            "Check job.results before you use them." if ended else "Stop it with job.cancel(), unless that will do."
        )
        kept.judge([*lost.values()], job, called=f"job '{name}'", remedy=remedy)


def compared(
    asked: AskedJob, raw: Mapping[str, Any], *, seen: Container[str] | None = None
) -> dict[str, kept.Loss | None]:
    """Return what an answer says of each value that was asked for: None where it was kept.

    Args:
        asked: by the call.
        raw: the answer.
        seen: for the last answer, the values that earlier ones told; None: there are more to come.

    Returns:
        by field. Values that the answer does not tell are left out; of the last answer of a service that is exact they
        are lost, but for inputs that an earlier one told.
    """
    inside = raw.get("properties")
    inner: Mapping[str, Any] = inside if isinstance(inside, Mapping) else {}
    every = [*_identity(asked, raw), *_settings(asked, inner), *_inputs(asked, inner)]
    every += [*_output(asked, raw, inner), *_texts(asked, raw, inner)]
    if asked.exact and seen is not None:
        later = (one for one in every if one.said or not (one.field.startswith("inputs.") and one.field in seen))
        every = [replace(one, said=one.said or [None]) for one in later]
    return {one.field: one.loss for one in every if one.said}


def _identity(asked: AskedJob, raw: Mapping[str, Any]) -> Iterator[_Asked]:
    view, exact = job_view(dict(raw)), asked.exact
    if asked.named:
        names = _told(view.name) + _told(unquote(str(raw.get("id") or "").rpartition("/")[2]) if exact else None)
        yield _Asked("job_name", asked.overrides.name, names, alike.same_values, matters=exact, every=exact)
    if asked.deployment is not None:
        said = deployments_named(dict(raw)) if exact else _told(view.deployment)
        yield _Asked("deployment", asked.deployment, said, _RULES["deployment"], every=exact)
    if asked.retry_of is not None:
        yield _Asked("retry_of", asked.retry_of, _told(view.retry_of), alike.same_values)


def _settings(asked: AskedJob, inner: Mapping[str, Any]) -> Iterator[_Asked]:
    overrides = asked.overrides
    wanted = {name: value for name, value in overrides.settings.items() if name in _SETTINGS}
    if overrides.output_file_name is not None:
        wanted["output_file_name"] = overrides.output_file_name
    if overrides.retry_settings is not None:
        wanted["retry_settings.max_retries"] = overrides.retry_settings.max_retries
        wanted["retry_settings.timeout"] = overrides.retry_settings.timeout
    parameters, exact = _parameters(inner), asked.exact
    places = {name: [_dig(inner, path), parameters.get(word)] for name, (path, word) in _SETTINGS.items()}
    places["output_file_name"].append(_output_file(inner) if exact else None)
    said = {name: [one for each in given for one in _told(each)] for name, given in places.items()}
    nothing: _Places = [None] if exact and any(said.values()) else []  # such a service names all settings or none
    for name, value in wanted.items():
        same = _RULES.get(name, alike.same_values)
        yield _Asked(name, value, said[name] or nothing, same, certain=exact, every=exact)


def _inputs(asked: AskedJob, inner: Mapping[str, Any]) -> Iterator[_Asked]:
    there = _dig(inner, "inputData")
    named: Mapping[str, Any] = there if isinstance(there, Mapping) else {}
    alone = next(iter(named.values())) if len(named) == 1 and len(asked.inputs) == 1 else None
    for name, one in asked.inputs.items():
        mine = _dig(named, name) or alone
        word, same = ("value", alike.same_literal) if one.kind == "literal" else ("uri", alike.same_place)
        said = _told(_dig(mine, word)) if isinstance(mine, Mapping) else [None] if named else []
        clear = one.kind != "literal" and all(alike.are_places(one.value, place) for place in said)
        yield _Asked(f"inputs.{name}", one.value, said, same, certain=asked.exact or clear)


def _output(asked: AskedJob, raw: Mapping[str, Any], inner: Mapping[str, Any]) -> Iterator[_Asked]:
    uri = asked.overrides.output_uri
    if uri is None:
        return
    exact = asked.exact
    outputs = [output_of(_dig(inner, word)) for word in ("outputs", "outputData")]
    said = [one for one in outputs if one] if exact else _told(job_view(dict(raw)).output_uri)
    for word in ("outputDataset", "output"):
        place = _dig(inner, word)
        store = str(_dig(place, "datastoreId") or "").rpartition("/")[2] if isinstance(place, Mapping) else ""
        if store:
            said.append(f"azureml://datastores/{store}/paths/{_dig(place, 'path') or ''}")
    clear = all(alike.are_places(uri, place) for place in said)
    yield _Asked("output", folder_of(uri, "UriFolder"), said, _RULES["output"], certain=exact or clear, every=exact)


def _output_file(inner: Mapping[str, Any]) -> str | None:
    """Return the name of the file that an answer shows as the job's output, or None."""
    named = _dig(inner, "outputData")
    output = next(iter(named.values())) if isinstance(named, Mapping) and len(named) == 1 else None
    is_file = alike.same_words("uri_file", _dig(output, "jobOutputType"))
    return str(_dig(output, "uri") or "").rpartition("/")[2] if is_file else None


def _texts(asked: AskedJob, raw: Mapping[str, Any], inner: Mapping[str, Any]) -> Iterator[_Asked]:
    overrides, exact, texts = asked.overrides, asked.exact, _dig(inner, "properties")
    properties: Mapping[str, Any] = texts if isinstance(texts, Mapping) else {}
    if overrides.experiment_name:
        said = [*_told(_dig(inner, "experimentName")), *_told(properties.get("experimentName"))]
        yield _Asked("experiment_name", overrides.experiment_name, said, alike.same_values, matters=False, every=exact)
    isolate = overrides.settings.get("isolate_failures")
    if isolate is not None:
        # asked for with False, it may be left out: that is what it means
        told = properties.get(routes.ISOLATE_PROPERTY, None if isolate else "false")
        said = [told] if properties or (exact and not isolate) else []
        yield _Asked("isolate_failures", isolate, said, alike.same_words, matters=False)
    maps = [one for one in (raw.get("tags"), _dig(inner, "tags")) if isinstance(one, Mapping)]
    for name, value in (overrides.tags or {}).items():
        said = [one[name] for one in maps if name in one] or ([None] if maps else [])
        yield _Asked(f"tags.{name}", value, said, alike.same_values, matters=False, every=exact)


def _told(value: object) -> _Places:
    return [] if value in (None, "") else [value]


def _dig(body: object, path: str) -> Any:  # noqa: ANN401 (JSON)
    return kept.dig(body, tuple(path.split(".")))


def _parameters(inner: Mapping[str, Any]) -> Mapping[str, Any]:
    texts = _dig(inner, "properties")
    text = texts.get("azureml.parameters") if isinstance(texts, Mapping) else None
    try:
        found: object = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

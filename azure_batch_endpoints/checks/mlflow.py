"""An MLflow model's folder: can it be read, and can it be scored without a script. mlflow itself is not imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from azure_batch_endpoints import _documents
from azure_batch_endpoints.checks.findings import Finding, listed
from azure_batch_endpoints.checks.packages import is_here
from azure_batch_endpoints.errors import BatchEndpointsError


def check_mlflow(model: Path, *, scripted: bool, environment: bool) -> list[Finding]:
    """Look at an MLflow model.

    Args:
        model: its folder.
        scripted: whether the deployment has a scoring script of its own.
        environment: whether it names an environment.
    """
    if scripted:
        text = "An MLflow model with a scoring script of its own needs an environment too, in Azure. Give environment."
        return [] if environment else [Finding("warning", text, model / "MLmodel")]
    file = model / "MLmodel"
    try:
        data = _documents.read(file).data
    except BatchEndpointsError as error:
        return [Finding("error", f"The MLflow model cannot be read: {error}", file, blocks=True)]
    flavors = data.get("flavors")
    python = flavors.get("python_function") if isinstance(flavors, Mapping) else None
    if not isinstance(python, Mapping):
        there = listed(sorted(flavors)) if isinstance(flavors, Mapping) and flavors else "none"
        text = (
            f"The MLflow model has no flavor 'python_function' (it has {there}), so it cannot be scored without a "
            "script. Log it with that flavor, or give code and scoring_script."
        )
        return [Finding("error", text, file, blocks=True)]
    return [*_parts(model, python, file), *_notes(data, file)]


def _parts(model: Path, python: Mapping[str, object], file: Path) -> Iterator[Finding]:
    for key in ("model_path", "data", "python_model", "code"):
        named = python.get(key)
        if isinstance(named, str) and named and not (model / named).exists():
            yield Finding(
                "error", f"MLmodel names '{named}' ({key}), which is not in '{model}'. Log the model again.", file
            )


def _notes(data: Mapping[str, object], file: Path) -> Iterator[Finding]:
    signature = data.get("signature")
    if not isinstance(signature, Mapping) or not signature.get("inputs"):
        text = (
            "The MLflow model has no signature: the columns of a CSV file are read as pandas takes them, whole numbers "
            "with gaps as floats. Log it with infer_signature()."
        )
        yield Finding("warning", text, file)
    if not is_here("mlflow"):
        text = (
            "The local service needs mlflow to score this model. Install it: pip install "
            "'azure-batch-endpoints[mlflow]'."
        )
        yield Finding("warning", text, file)

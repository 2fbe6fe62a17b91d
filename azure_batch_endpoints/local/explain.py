"""Why a job failed, in the user's words: which call, error, script line and file, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from azure_batch_endpoints.checks import INSIDE
from azure_batch_endpoints.local.engines.base import EngineError, Failure, ScriptInvalid
from azure_batch_endpoints.local.ledger_values import Cause, FirstError
from azure_batch_endpoints.specs import RunSettings

NOTHING_SUCCEEDED = (
    "There is no succeeded mini batch item returned from run(). "
    "Please check 'response: run()' in https://aka.ms/batch-inference-documentation"
)
"""As the service puts it (recorded failures of real jobs)."""
STEP_FAILED = "Execution of experiment failed, update experiment status and cancel running nodes."
"""As a pipeline's own log puts it (public logs), like the next two."""
MOST_MESSAGE = 300
"""Characters of an exception's message in the first sentence: scripts put their data into them."""
_MEND = " Mend the script, then create the deployment again."
_OURS = {
    *("Timeout", "WorkerDied", "MemoryLimit", "ShortReturn", "WrongReturnType", "RowsNotWritten", "InputUnavailable")
}
"""Failures whose message is a sentence of ours already; a library may have an exception called "Timeout", too."""
_RAISED = "Traceback (most recent call last)"
"""What the traceback of an exception has, and the stacks of a worker that hangs or dies have not."""


def engine_error(error: EngineError) -> str:
    """Say why the scoring script could not be run at all."""
    failure = error.failure
    if isinstance(error, ScriptInvalid):
        return f"The scoring script cannot be used: {_told(failure, 'loading it')}{_MEND}{_traceback(failure)}"
    frames = failure.traceback or ""
    call = "Importing the script" if ", in <module>" in frames and ", in init" not in frames else "init()"
    return f"{_told(failure, call)} No worker became ready.{_remedy(failure) or _MEND}{_traceback(failure)}"


def too_many_failures(failed: int, threshold: int, first: FirstError | None, causes: Sequence[Cause]) -> str:
    """Say that more files failed than `error_threshold` allows."""
    count = (
        f"{failed} {'file' if failed == 1 else 'files'} failed, error_threshold is "
        f"{threshold}. Mend the script or the files, or raise error_threshold, then "
        "retry what failed."
    )
    return f"{_first(first)} {count}{_others(causes)}{_traceback(first.failure if first else None)}".strip()


def nothing_succeeded(failed: int, first: FirstError | None, causes: Sequence[Cause]) -> str:
    """Say that an `append_row` job has nothing to write."""
    count = "The only file failed." if failed == 1 else f"All {failed} files failed."
    return (
        f"{_first(first)} {count} {NOTHING_SUCCEEDED}{_others(causes)}{_traceback(first.failure if first else None)}"
    ).strip()


def no_script(deployment: str, model_type: str) -> str:
    """Say that a deployment without scoring script cannot be run here."""
    return (
        f"Deployment '{deployment}' has a {model_type} and no scoring script; only an MLflow model needs none. "
        "Give code and scoring_script with init() and run(mini_batch), which load the model from AZUREML_MODEL_DIR."
    )


def step_began(run: str) -> str:
    """Say, for the log of the job itself, that its one step begins."""
    return f"Submitting 1 runs, first five are: {run[:8]}:{run}"


def step_ended(run: str) -> str:
    """Say, for the log of the job itself, that its one step has ended well."""
    return f"Completing processing run id {run}."


def script_outside(script: str) -> str:
    """Say that a scoring script is not in the code folder; nothing else may be run."""
    return f"The scoring script {script!r} leads out of the code folder and was not run. {INSIDE}"


def starting(settings: RunSettings, workers: int) -> str:
    """Say, for the log, how the job is about to score."""
    retry = settings.retry_settings
    tries = max(1, retry.max_retries)
    wanted = settings.instance_count * settings.max_concurrency_per_instance
    fewer = "" if workers == wanted else f" (of {wanted} asked for: no more are free on this machine)"
    return (
        f"Scoring with {workers} worker {'process' if workers == 1 else 'processes'}{fewer}, "
        f"{settings.mini_batch_size} {'file' if settings.mini_batch_size == 1 else 'files'} to a mini-batch, "
        f"{retry.timeout:g} s and {tries} {'try' if tries == 1 else 'tries'} for each."
    )


def _first(first: FirstError | None) -> str:
    if first is None:
        return ""
    tries = f"{first.attempts} {'try' if first.attempts == 1 else 'tries'}" if first.attempts else ""
    where = f"on '{first.path}' of mini-batch {first.mini_batch}"
    return _told(first.failure, "run()", where, tries) + _remedy(first.failure)


def _told(failure: Failure, call: str, *more: str) -> str:
    line = f"line {failure.line}" if failure.file and failure.line else ""
    places = ", ".join(place for place in (failure.file, line, *more) if place)
    message = failure.message.strip().partition("\n")[0].rstrip(".")
    if len(message) > MOST_MESSAGE:
        message = f"{message[:MOST_MESSAGE]} …"
    if failure.traceback and (failure.type not in _OURS or _RAISED in failure.traceback):
        message = f"{call} raised {failure.type}{': ' if message else ''}{message}"
    return f"{message} ({places})." if places else f"{message}."


def _remedy(failure: Failure) -> str:
    if failure.type != "ModuleNotFoundError":
        return ""
    return (
        " Put the module into the code folder, or install its package for the Python that runs the local service; "
        'with BatchClient.local(environments="build") the deployment\'s conda_file is installed instead.'
    )


def _others(causes: Sequence[Cause]) -> str:
    if len(causes) < 2:
        return ""
    return "\nCauses:" + "".join(f"\n  {cause}" for cause in causes)


def _traceback(failure: Failure | None) -> str:
    return f"\n\n{failure.traceback.rstrip()}" if failure is not None and failure.traceback else ""

"""How a deployment scores: mini-batches, workers, tries, output."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import Self

from azure_batch_endpoints import _spec_tables as tables
from azure_batch_endpoints._spec_base import Spec
from azure_batch_endpoints._spec_values import KEPT, Count, Flag, Kept, Seconds, Variables, one_of


class RetrySettings(Spec, frozen=True):
    """Tries and time limit of one mini-batch."""

    _table = tables.RETRY
    _written = tables.RETRY_WRITTEN

    max_retries: Count = Field(default=3, ge=0)
    """Tries in all, at least one; the wire hands it over as ``run_max_try``."""
    timeout: Seconds = Field(default=30.0, gt=0)
    """Seconds for one ``run(mini_batch)``; then the worker is ended and the mini-batch tried again."""

    def changed(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        max_retries: int | Kept = KEPT,
        timeout: float | Kept = KEPT,
    ) -> Self:
        """Return these with other values; see :meth:`DeploymentSpec.changed`."""
        return self._changed(
            values,
            max_retries=max_retries,
            timeout=timeout,
        )


class RunSettings(Spec, frozen=True):
    """How a deployment scores; ``invoke`` can override it for one job, but for output action and variables."""

    _table = tables.SETTINGS
    _written = tables.SETTINGS_WRITTEN

    mini_batch_size: Count = Field(default=10, ge=1)
    """Files given to one ``run(mini_batch)``."""
    max_concurrency_per_instance: Count = Field(default=1, ge=1)
    """Worker processes on one instance."""
    instance_count: Count = Field(default=1, ge=1)
    """Nodes for one job."""
    error_threshold: Count = Field(default=-1, ge=-1)
    """Failed input files tolerated over the whole job; -1: any number."""
    retry_settings: RetrySettings = Field(default_factory=RetrySettings)
    """Tries and time limit of one mini-batch."""
    output_action: Annotated[Literal["append_row", "summary_only"], one_of("append_row", "summary_only")] = "append_row"
    """``append_row`` merges all returned rows into one file; ``summary_only`` only counts them."""
    output_file_name: str = Field(default="predictions.csv", pattern=r'^[^~"#%&*:<>?/\\{|}\x00-\x1f\x7f]+$')
    """Name of the merged file."""
    logging_level: Annotated[Literal["debug", "info", "warning"], one_of("debug", "info", "warning")] = "info"
    """Detail of the job's logs."""
    environment_variables: Variables = Field(default_factory=dict)
    """Set for the scoring script."""
    isolate_failures: Flag = False
    """Whether a mini-batch that failed on its last try is split until the files that fail are found, so that the others
    of it count; the local service does so, Azure takes no notice."""

    def changed(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        mini_batch_size: int | Kept = KEPT,
        max_concurrency_per_instance: int | Kept = KEPT,
        instance_count: int | Kept = KEPT,
        error_threshold: int | Kept = KEPT,
        retry_settings: RetrySettings | Kept = KEPT,
        output_action: Literal["append_row", "summary_only"] | Kept = KEPT,
        output_file_name: str | Kept = KEPT,
        logging_level: Literal["debug", "info", "warning"] | Kept = KEPT,
        environment_variables: Mapping[str, str] | Kept = KEPT,
        isolate_failures: bool | Kept = KEPT,
    ) -> Self:
        """Return these with other values; see :meth:`DeploymentSpec.changed`."""
        return self._changed(
            values,
            mini_batch_size=mini_batch_size,
            max_concurrency_per_instance=max_concurrency_per_instance,
            instance_count=instance_count,
            error_threshold=error_threshold,
            retry_settings=retry_settings,
            output_action=output_action,
            output_file_name=output_file_name,
            logging_level=logging_level,
            environment_variables=environment_variables,
            isolate_failures=isolate_failures,
        )

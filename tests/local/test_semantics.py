"""Where each documented statement about batch scoring is tested; those that the local service decides are in
`test_decisions`.

The table names a statement, the file and the test: this module fails when a test it names is not there any more.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DECISIONS, ENGINE, JOBS, ROWS, RUNNER, SCRIPT, SURVIVAL = (
    f"local/test_{name}.py"
    for name in ("decisions", "engine", "semantics_jobs", "semantics_rows", "runner", "semantics_script", "survival")
)
LOGS, LEDGER, PLAN, SOURCES = (f"unit/test_{name}.py" for name in ("job_logs", "ledger", "plan", "sources"))

STATEMENTS = {
    # the scoring script
    "the script defines init() and run(mini_batch)": (ENGINE, "test_a_script_without_init_or_run_ends_the_run_at_once"),
    "shutdown() is optional": (DECISIONS, "test_shutdown_is_called"),
    "init() runs once in each process, and again after a death": (
        SCRIPT,
        "test_init_runs_once_in_each_process_and_again_after_a_death",
    ),
    "an init() that never succeeds stops the job": (
        JOBS,
        "test_an_init_that_never_succeeds_stops_the_job_and_no_file_is_charged",
    ),
    "an init() that hangs stops the job": (ENGINE, "test_an_init_that_hangs_ends_the_run_and_tells_where"),
    "arguments are read with parse_known_args": (
        SCRIPT,
        "test_logging_level_is_the_root_loggers_the_scripts_argument_and_that_of_entry_script",
    ),
    # mini-batches
    "a mini-batch is a list of absolute paths; the last is shorter; sizes never matter": (
        JOBS,
        "test_a_mini_batch_is_a_list_of_absolute_paths_with_the_files_own_names_and_the_last_one_is_shorter",
    ),
    "there are ceil(files / mini_batch_size) mini-batches": (PLAN, "test_the_last_mini_batch_may_be_shorter"),
    "a uri_file input is one item": (RUNNER, "test_a_single_file_is_one_input"),
    "workers are instance_count x max_concurrency_per_instance": (DECISIONS, "test_one_machine"),
    # what run() returns
    "list, tuple, DataFrame and array are written as documented": (
        ROWS,
        "test_lists_tuples_arrays_and_frames_are_written_as_documented",
    ),
    "DataFrame rows have spaces, no header, no index": (
        ROWS,
        "test_lists_tuples_arrays_and_frames_are_written_as_documented",
    ),
    "anything else fails with the documented text, with summary_only too": (
        ROWS,
        "test_anything_else_fails_with_the_documented_text",
    ),
    "a generator fails": (ROWS, "test_a_run_that_is_a_generator_fails_and_its_body_is_never_run"),
    "success is counted by len(result)": (ROWS, "test_success_is_counted_by_length_whatever_the_rows_are"),
    "more rows than files are legal": (ENGINE, "test_more_rows_than_files_are_written_and_all_files_succeed"),
    "an empty list fails all files": (ROWS, "test_an_empty_result_fails_every_file"),
    "fewer rows are tried again, then the missing count fails": (DECISIONS, "test_short_results_are_retried"),
    "the files that failed are those no row names": (
        ROWS,
        "test_a_short_result_fails_the_files_that_no_row_names_though_names_contain_each_other",
    ),
    "which file a row is of": (SOURCES, "test_rows_are_of_the_file_at_their_place_or_of_the_one_they_name"),
    # errors
    "an exception of any kind fails the try": (
        SCRIPT,
        "test_an_exception_of_any_kind_fails_its_mini_batch_and_the_worker_goes_on",
    ),
    "tries are counted by max_retries": (DECISIONS, "test_max_retries_counts_tries"),
    "each try is in the logs": (SCRIPT, "test_a_failed_try_is_tried_again_as_often_as_max_retries_says"),
    "a mini-batch may fail first and succeed later": (JOBS, "test_retries_do_not_count_as_failures_of_their_files"),
    "the time limit is that of one run()": (DECISIONS, "test_timeout_is_strict"),
    "a run() over its time is aborted, the others go on": (
        ENGINE,
        "test_a_hang_is_killed_at_its_time_limit_and_the_others_go_on",
    ),
    "a dead worker is replaced, under the next number": (
        SCRIPT,
        "test_init_runs_once_in_each_process_and_again_after_a_death",
    ),
    "error_threshold counts files, strictly, over the job": (DECISIONS, "test_error_threshold_is_strict"),
    "nothing succeeded fails, whatever the threshold": (DECISIONS, "test_nothing_succeeded_fails"),
    "the error is the user's own, the exit texts are in the logs": (
        JOBS,
        "test_a_failed_jobs_error_begins_with_the_users_cause_and_its_logs_with_the_exit_texts",
    ),
    # output
    "rows are in order and once each": (DECISIONS, "test_each_row_exactly_once_in_order"),
    "an output file that exists fails the job": (DECISIONS, "test_an_existing_output_fails"),
    "summary_only merges nothing": (DECISIONS, "test_summary_only_merges_nothing"),
    "summary_only workers write at the same time": (
        JOBS,
        "test_summary_only_workers_write_below_the_output_folder_at_the_same_time_and_a_retry_writes_again",
    ),
    "names and types are kept": (DECISIONS, "test_names_and_types_are_kept"),
    # environment
    "AZUREML_MODEL_DIR is the parent of what was registered": (
        RUNNER,
        "test_the_script_finds_the_model_by_its_own_name_and_the_run_in_its_environment",
    ),
    "the deployment's variables and the run's names are set": (
        JOBS,
        "test_a_run_finds_the_names_of_its_job_and_the_deployments_variables",
    ),
    "AZUREML_BI_OUTPUT_PATH is set": (ENGINE, "test_the_script_finds_its_arguments_variables_modules_and_shutdown"),
    "logging_level": (DECISIONS, "test_a_run_has_what_was_asked_of_logging"),
    "EntryScript: logger, log_dir, output_dir, agent_name, one": (
        SCRIPT,
        "test_entry_script_gives_logger_folders_and_name_once_a_process",
    ),
    # logs
    "print and logging go to stdout's file": (
        SCRIPT,
        "test_print_logging_stderr_warnings_and_children_go_to_the_documented_files",
    ),
    "the layout of the logs": (JOBS, "test_every_documented_log_file_is_there_in_the_readme_and_in_storage"),
    "the progress rotates daily": (LOGS, "test_the_progress_has_a_new_file_each_day_and_not_a_line_for_each_call"),
    "the use of resources is noted": (LOGS, "test_what_a_node_and_its_workers_use_is_written_down"),
    # the account
    "inputs = succeeded + failed, rows written = rows returned": (
        LEDGER,
        "test_reconciling_says_exactly_what_differs",
    ),
    "every file is accounted for": (DECISIONS, "test_every_file_accounted_for"),
    # what scripts may do
    "a script cannot harm its worker's account": (SCRIPT, "test_what_a_script_does_to_its_own_process_costs_no_row"),
    "a worker that sends nonsense costs its mini-batch": (
        SURVIVAL,
        "test_a_worker_that_speaks_nonsense_costs_its_mini_batch_not_the_job",
    ),
}


@cache
def names_in(file: str) -> frozenset[str]:
    return frozenset(re.findall(r"^def (test_\w+)", (ROOT / file).read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_documented_statement_has_its_test(statement: str) -> None:
    file, name = STATEMENTS[statement]

    assert name in names_in(file)

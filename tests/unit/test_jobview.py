"""One view of a job, whichever body it came in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from azure_batch_endpoints._wire import routes
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.states import JobStatus
from tests.unit.fake_service import JOB, invoked_body, job_body


def test_both_bodies_of_a_job_show_the_same_job() -> None:
    posted, read = job_view(invoked_body()), job_view(job_body("Preparing"))

    for view in (posted, read):
        assert (view.name, view.endpoint, view.deployment) == (JOB, "heart", "blue")
        assert view.display_name == "brave_pear_1"
        assert view.studio_url == f"https://ml.azure.com/runs/{JOB}"
        assert view.status is JobStatus.PREPARING
        assert view.created_at is not None


def test_what_the_local_service_adds_is_read() -> None:
    kept = {
        routes.PROGRESS_PROPERTY: json.dumps({"done": 1}),
        routes.ERROR_PROPERTY: "run() raised KeyError",
        routes.ROWS_PROPERTY: json.dumps([{"kind": "list", "columns": []}]),
    }

    view = job_view(job_body("Failed", kept=kept))

    assert (view.progress, view.error) == ({"done": 1}, "run() raised KeyError")
    assert view.rows == [{"kind": "list", "columns": []}]
    assert view.output_file_name == "predictions.csv"


@pytest.mark.parametrize(
    ("outputs", "uri"),
    [
        (
            {"score": {"jobOutputType": "uri_folder", "uri": "azureml://datastores/s/paths/o/"}},
            "azureml://datastores/s/paths/o/",
        ),
        (
            {"score": {"jobOutputType": "UriFile", "uri": "azureml://datastores/s/paths/o/p.csv"}},
            "azureml://datastores/s/paths/o/",
        ),
        (
            {"rows": {"jobOutputType": "UriFile", "uri": "azureml://datastores/s/paths/o/p.csv"}},
            "azureml://datastores/s/paths/o/",
        ),
        ({"score": {"uri": None}}, None),
        ({"other": {}}, None),
        ({"score": "x"}, None),
        (None, None),
    ],
)
def test_the_output_is_a_folder_also_where_the_service_names_a_file(outputs: object, uri: str | None) -> None:
    assert job_view(job_body(outputs=outputs)).output_uri == uri


def test_a_kind_of_rows_in_the_old_form_is_read_too() -> None:
    assert job_view(job_body(kept={routes.ROWS_PROPERTY: '{"kind": "dataframe"}'})).rows == [{"kind": "dataframe"}]


@pytest.mark.parametrize(
    "kept",
    [
        {"azureml.parameters": "{broken", routes.PROGRESS_PROPERTY: "[1]", routes.ROWS_PROPERTY: "3"},
        {"azureml.parameters": "[]", routes.PROGRESS_PROPERTY: None, routes.ROWS_PROPERTY: '{"kind": "?"}'},
        {"azureml.parameters": None, "flag": True, "number": 3, "nested": {"a": 1}},
    ],
)
def test_properties_of_any_shape_do_not_crash(kept: dict[str, Any]) -> None:
    view = job_view(job_body(kept=kept))

    assert (view.progress, view.rows, view.output_file_name) == (None, [], None)


@pytest.mark.parametrize("body", [{}, {"name": "j", "properties": {"status": "Dreaming", "new": [1]}}])
def test_an_unknown_status_and_unknown_fields_do_not_crash(body: dict[str, Any]) -> None:
    assert job_view(body).status is JobStatus.UNKNOWN


def test_a_job_of_the_first_stack_takes_its_endpoint_from_the_experiment() -> None:
    view = job_view(job_body(description="something else", tags={}, services={"Tracking": None}))

    assert (view.endpoint, view.deployment, view.studio_url) == ("heart", None, None)

"""Addresses that the service's answers name: which get a token, which get none, and which are refused with a name.

A recording transport stands in for the network: what is not in its list was never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from azure_batch_endpoints import EndpointSpec, ForeignHostError, folder
from azure_batch_endpoints.endpoints import BatchEndpoints
from azure_batch_endpoints.jobs import Jobs
from tests.unit.fake_service import (
    API,
    ARM,
    BASICS,
    JOB,
    LOCAL,
    PATH,
    SCORING,
    Desk,
    endpoint_body,
    invoked_body,
    job_body,
    workspace_body,
)
from tests.unit.fake_transport import Step, reply

LOOK_ALIKES = [
    "https://evil.example",
    "https://management.azure.com.evil.example",
    "https://management.azure.com@evil.example",
    "https://evil.example\\@management.azure.com",
    "https://management.azure.com:8443",
    "http://management.azure.com",
    "https://management.azure.com.",
    "https://m\u0430nagement.azure.com",
    "https://me.westeurope.instances.azureml.ms",
    "https://ml.azure.com",
    "https://inference.ml.azure.com.evil.example",
    "https://heart.inference.ml.azure.cn",
    "http://127.0.0.1:5000",
]
ENDPOINT = f"{PATH.endpoint('heart')}$"
JOBS = f"{PATH.endpoint('heart')}/jobs"
WORKSPACE = "workspaces/space-1"
Routes = Mapping[str, "Step | Sequence[Step]"]


def in_next_link(desk: Desk) -> object:
    return list(BatchEndpoints(desk.workspace).list())


def in_operation(desk: Desk) -> object:
    return BatchEndpoints(desk.workspace).create(EndpointSpec(name="heart"))


def in_delete(desk: Desk) -> object:
    BatchEndpoints(desk.workspace)._made(endpoint_body()).delete()
    return None


def in_cancel(desk: Desk) -> object:
    return Jobs(desk.workspace).get(JOB).cancel()


def in_invoke(desk: Desk) -> object:
    return BatchEndpoints(desk.workspace).get("heart").invoke(folder("https://a/b"))


def in_job_list(desk: Desk) -> object:
    return list(BatchEndpoints(desk.workspace)._made(endpoint_body()).list_jobs())


def in_logs(desk: Desk) -> object:
    return Jobs(desk.workspace).get(JOB).logs()


def in_stream(desk: Desk) -> object:
    return list(Jobs(desk.workspace).get(JOB).stream())


def in_get(desk: Desk) -> object:
    return BatchEndpoints(desk.workspace).get("heart")


def header(url: str) -> str:
    """A text as it comes out of a header."""
    return url.encode().decode("latin-1")


def discovered(url: str) -> dict[str, Any]:
    body = workspace_body()
    return {**body, "properties": {**body["properties"], "discoveryUrl": f"{url}/discovery"}}


def logged(url: str) -> Routes:
    files = {"user_logs/std_log.txt": f"{url}/log?sig=S1GN"}
    history = {"GET /children": reply(body={}), "GET /details": reply(body={"status": "Running", "logFiles": files})}
    return {**BASICS, f"GET {PATH.job(JOB)}": reply(body=job_body()), **history}


CASES: dict[str, tuple[Callable[[Desk], object], Callable[[str], Routes], str]] = {
    "nextLink": (
        in_next_link,
        lambda url: {"GET batchEndpoints": reply(body={"value": [], "nextLink": f"{url}/next"})},
        "the answer's nextLink",
    ),
    "Azure-AsyncOperation": (
        in_operation,
        lambda url: {
            f"GET {WORKSPACE}": reply(body=workspace_body()),
            f"PUT {ENDPOINT}": reply(
                201, endpoint_body(state="Creating"), {"Azure-AsyncOperation": f"{header(url)}/op"}
            ),
        },
        "the header Azure-AsyncOperation",
    ),
    "Location of a delete": (
        in_delete,
        lambda url: {f"DELETE {ENDPOINT}": reply(202, None, {"Location": f"{header(url)}/op"})},
        "the header Location",
    ),
    "Location of a cancel": (
        in_cancel,
        lambda url: {
            f"GET {PATH.job(JOB)}": reply(body=job_body()),
            "POST /cancel": reply(202, None, {"Location": f"{header(url)}/op"}),
        },
        "the header Location",
    ),
    "scoringUri": (
        in_invoke,
        lambda url: {f"GET {ENDPOINT}": reply(body=endpoint_body("blue", scoringUri=f"{url}/jobs"))},
        "the endpoint's scoringUri",
    ),
    "discoveryUrl": (
        in_job_list,
        lambda url: {f"GET {WORKSPACE}": reply(body=discovered(url))},
        "the workspace's discoveryUrl",
    ),
    "api": (in_job_list, lambda url: {**BASICS, "GET /discovery": reply(body={"api": url})}, "discovery's 'api'"),
    "nextLink of jobs": (
        in_job_list,
        lambda url: {**BASICS, f"GET {JOBS}": reply(body={"value": [], "nextLink": f"{url}/next"})},
        "the answer's nextLink",
    ),
    "logFiles": (in_logs, logged, "the run's logFiles"),
    "logFiles while it runs": (in_stream, logged, "the run's logFiles"),
    "redirect": (
        in_get,
        lambda url: {f"GET {ENDPOINT}": reply(307, None, {"Location": f"{header(url)}/there"})},
        r"a redirect \(307\)",
    ),
    "redirect of an invoke": (
        in_invoke,
        lambda url: {
            f"GET {ENDPOINT}": reply(body=endpoint_body("blue")),
            f"POST {SCORING}": reply(308, None, {"Location": f"{header(url)}/there"}),
        },
        r"a redirect \(308\)",
    ),
}


@pytest.mark.parametrize("url", LOOK_ALIKES)
@pytest.mark.parametrize("case", CASES)
def test_a_foreign_host_gets_no_request_and_the_error_says_which_answer_named_it(case: str, url: str) -> None:
    call, routes, named_by = CASES[case]
    desk = Desk(routes(url))

    with pytest.raises(ForeignHostError, match=rf"(?s)Could not .*named by {named_by}") as caught:
        call(desk)

    hosts = {(one.url or "").split("/")[2] for one in desk.transport.requests}
    assert hosts <= {"management.azure.com", API.split("/")[2], SCORING.split("/")[2]}
    assert "S1GN" not in str(caught.value)
    assert caught.value.host and (caught.value.host in url.lower() or not url.isascii())


@pytest.mark.parametrize("url", ["https://evil.example", "http://10.0.0.9:80", "https://x.inference.ml.azure.com"])
@pytest.mark.parametrize("case", CASES)
def test_the_token_of_a_local_service_stays_on_this_machine(case: str, url: str) -> None:
    call, routes, named_by = CASES[case]
    played = routes(url)
    if case.startswith(("nextLink of", "logFiles")):
        played = {
            **played,
            f"GET {WORKSPACE}": reply(body=discovered(LOCAL)),
            "GET /discovery": reply(body={"api": LOCAL}),
        }
    if case == "api":
        played = {**played, f"GET {WORKSPACE}": reply(body=discovered(LOCAL))}
    if case == "redirect of an invoke":
        here = reply(body=endpoint_body("blue", scoringUri=f"{LOCAL}/scoring/heart/jobs"))
        played = {f"GET {ENDPOINT}": here, "POST /scoring/heart/jobs": reply(308, None, {"Location": f"{url}/there"})}
    desk = Desk(played, base=LOCAL)

    with pytest.raises(ForeignHostError, match=named_by):
        call(desk)

    assert {
        (one.url or "").rpartition(":")[0] for one in desk.transport.requests if "//127" not in str(one.url)
    } == set()


def test_each_audience_gets_its_own_token_and_a_signed_address_none() -> None:
    log = "https://acct.blob.core.windows.net/logs/std_log.txt?sig=S1GN"
    files = {"user_logs/std_log.txt": log}
    desk = Desk(
        {
            **BASICS,
            f"GET {ENDPOINT}": reply(body=endpoint_body("blue")),
            f"POST {SCORING}": reply(201, invoked_body()),
            f"GET {JOBS}": reply(body={"value": [job_body()]}),
            "GET /children": reply(body={}),
            "GET /details": reply(body={"status": "Completed", "logFiles": files}),
            "GET std_log.txt": reply(200, b"a line\n"),
        }
    )

    job = in_invoke(desk)
    in_job_list(desk)
    assert [line.message for line in job.logs()] == ["a line"]  # type: ignore[attr-defined]  # in_invoke returns a job

    arm, ml = f"Bearer token of {ARM}/.default", "Bearer token of https://ml.azure.com/.default"
    assert [(one.method, one.headers.get("Authorization")) for one in desk.transport.requests] == [
        ("GET", arm),  # the endpoint
        ("POST", ml),  # its scoring URI
        ("GET", arm),  # the workspace
        ("GET", None),  # discovery
        ("GET", ml),  # the job list
        ("GET", arm),  # run history: children
        ("GET", arm),  # run history: details
        ("GET", None),  # a log
    ]


def test_an_endpoint_of_somebody_else_gets_neither_the_management_token_nor_is_it_the_data_plane() -> None:
    theirs = "https://theirs.westeurope.inference.ml.azure.com"
    for case in CASES:
        call, routes, _ = CASES[case]
        if case != "scoringUri":
            with pytest.raises(ForeignHostError, match="theirs"):
                call(Desk(routes(theirs)))


@pytest.mark.parametrize("host", ["HEART.WestEurope.Inference.ML.azure.COM", "heart.inference.ml.azure.com:443"])
def test_a_host_of_the_service_may_be_written_in_any_case_and_with_its_port(host: str) -> None:
    desk = Desk(
        {
            f"GET {ENDPOINT}": reply(body=endpoint_body("blue", scoringUri=f"https://{host}/jobs")),
            "POST /jobs": reply(201, invoked_body()),
        }
    )

    assert in_invoke(desk)

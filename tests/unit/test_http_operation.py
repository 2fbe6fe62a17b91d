"""Operations: every way the service goes on, and every trap of the stock pollers."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from itertools import islice

import pytest
from azure.core import PipelineClient
from azure.core.pipeline.policies import RequestIdPolicy
from azure.core.polling import LROPoller
from azure.core.rest import HttpRequest
from azure.mgmt.core.polling.arm_polling import ARMPolling

from azure_batch_endpoints._http import Deadline, DeadlinePassed, Operation, OperationEnded, Session, pauses
from azure_batch_endpoints.errors import ForeignHostError, InvalidInputError, NotFoundError, TransportError
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_transport import FakeTransport, Step, reply

ARM = "https://management.azure.com"
RESOURCE = f"{ARM}/ws/batchEndpoints/heart?api-version=2024-10-01"
STATUS = f"{ARM}/loc/mfeOperationsStatus/be:1:2?api-version=2024-10-01"
RESULT = f"{ARM}/loc/mfeOperationResults/jc:1:j1?api-version=2024-10-01"


def resource(state: str | None) -> Mapping[str, object]:
    return {"name": "heart", "properties": {"provisioningState": state} if state else {}}


def created() -> Step:
    return reply(201, resource("Creating"), {"azure-asyncoperation": STATUS, "Location": RESOURCE})


def status(word: str, headers: Mapping[str, str] | None = None) -> Step:
    return reply(200, {"id": "be:1:2", "name": "be:1:2", "status": word}, headers)


class Wire:
    """A session on a scripted wire, and the operation that its first answer began."""

    def __init__(self, *script: Step, method: str = "PUT", url: str = RESOURCE, base: str = ARM) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(script)
        self.session = Session(base, None, {}, clock=self.clock, transport=self.transport)
        answer = self.session.send(method, url, action="begin")
        self.operation = Operation.start(self.session, answer, action="create endpoint 'heart'")

    @property
    def polled(self) -> list[str]:
        return self.transport.lines[1:]


# ------------------------------------------------------------------ the ways of the service


def test_a_put_is_followed_by_its_status_and_ends_with_the_resource() -> None:
    wire = Wire(
        created(), status("Updating"), status("InProgress"), status("Succeeded"), reply(200, resource("Succeeded"))
    )

    assert not wire.operation.done
    assert wire.operation.wait(None) == resource("Succeeded")
    assert wire.operation.done
    assert wire.polled == [f"GET {STATUS}"] * 3 + [f"GET {RESOURCE}"]


@pytest.mark.parametrize("word", ["Updating", "InProgress", "Accepted", "Creating", "Whatever", "updating"])
def test_every_unknown_word_means_in_progress(word: str) -> None:
    wire = Wire(created(), status(word), status("succeeded"), reply(200, resource("Succeeded")))

    assert wire.operation.wait(None) == resource("Succeeded")


def test_a_resource_that_is_half_made_after_success_is_read_until_it_is_whole() -> None:
    half = reply(200, resource("Updating"))
    wire = Wire(created(), status("Succeeded"), half, half, reply(200, resource("Succeeded")))

    assert wire.operation.wait(None) == resource("Succeeded")
    assert wire.polled == [f"GET {STATUS}"] + [f"GET {RESOURCE}"] * 3


@pytest.mark.parametrize("body", [b"null", b""])
def test_a_delete_answers_null_and_ends_with_nothing(body: bytes) -> None:
    begun = reply(202, body, {"Azure-AsyncOperation": STATUS, "Location": RESULT})
    wire = Wire(begun, status("Updating"), status("Succeeded"), method="DELETE")

    assert wire.operation.wait(None) is None
    assert wire.polled == [f"GET {STATUS}"] * 2


def test_a_cancel_follows_its_location_until_200_without_a_body() -> None:
    again = reply(202, {}, {"Location": f"{RESULT}&again=1"})
    wire = Wire(reply(202, b"null", {"Location": RESULT}), again, reply(202, {}), reply(200), method="POST")

    assert wire.operation.wait(None) is None
    assert wire.polled == [f"GET {RESULT}", f"GET {RESULT}&again=1", f"GET {RESULT}&again=1"]


@pytest.mark.parametrize("status_code", [200, 204])
def test_a_delete_that_is_done_at_once_needs_no_look(status_code: int) -> None:
    wire = Wire(reply(status_code), method="DELETE")

    assert wire.operation.done
    assert wire.operation.wait(0) is None
    assert wire.polled == []


@pytest.mark.parametrize("state", ["Succeeded", None])
def test_a_put_that_is_done_at_once_needs_no_look_though_location_names_the_resource(state: str | None) -> None:
    wire = Wire(reply(201, resource(state), {"Location": RESOURCE}))

    assert wire.operation.done
    assert wire.operation.wait(0) == resource(state)
    assert wire.polled == []


def test_a_put_that_says_only_creating_is_read_until_it_is_made() -> None:
    wire = Wire(
        reply(201, resource("Creating"), {"Location": RESOURCE}),
        reply(200, resource("Creating")),
        reply(200, resource("Succeeded")),
    )

    assert wire.operation.wait(None) == resource("Succeeded")
    assert wire.polled == [f"GET {RESOURCE}"] * 2


def test_a_put_that_is_only_accepted_is_read_until_it_is_made() -> None:
    wire = Wire(reply(202), reply(202), reply(200, resource("Succeeded")))

    assert wire.operation.wait(None) == resource("Succeeded")


def test_a_patch_with_location_alone_ends_with_the_resource() -> None:
    begun = reply(202, None, {"Location": RESULT})
    wire = Wire(begun, reply(202), reply(200), reply(200, resource("Succeeded")), method="PATCH")

    assert wire.operation.wait(None) == resource("Succeeded")
    assert wire.polled == [f"GET {RESULT}"] * 2 + [f"GET {RESOURCE}"]


def test_a_status_without_a_word_is_an_error_and_no_endless_wait() -> None:
    wire = Wire(created(), reply(202), reply(200, {}))

    with pytest.raises(
        TransportError, match=r"Could not follow the operation \(create endpoint 'heart'\): .*did not say how far"
    ):
        wire.operation.wait(None)


# ------------------------------------------------------------------ the bad ends


@pytest.mark.parametrize(
    ("word", "said"), [("Failed", "Failed"), ("failed", "Failed"), ("Canceled", "Canceled"), ("Cancelled", "Canceled")]
)
def test_a_bad_end_raises_with_the_services_code_and_words_again_and_again(word: str, said: str) -> None:
    body = {"status": word, "error": {"code": "Quota", "message": "no cores left"}}
    wire = Wire(created(), reply(200, body))

    for _ in range(2):
        with pytest.raises(OperationEnded, match=f"{said}: no cores left") as caught:
            wire.operation.wait(None)
        assert (caught.value.status, caught.value.code, caught.value.message) == (said, "Quota", "no cores left")
        assert caught.value.body == body
    with pytest.raises(OperationEnded):
        wire.operation.poll()
    assert wire.operation.done
    assert len(wire.polled) == 1


def test_a_put_that_answers_failed_without_an_operation_raises() -> None:
    wire = Wire(reply(201, resource("Failed")))

    with pytest.raises(OperationEnded, match="Failed: no reason given"):
        wire.operation.wait(None)
    assert wire.polled == []


def test_a_resource_that_is_failed_after_success_raises() -> None:
    wire = Wire(created(), status("Succeeded"), reply(200, resource("Failed")))

    with pytest.raises(OperationEnded):
        wire.operation.wait(None)


def test_an_error_answer_to_a_look_is_raised_as_our_own() -> None:
    wire = Wire(created(), reply(404))

    with pytest.raises(NotFoundError, match=r"Could not follow the operation \(create endpoint 'heart'\)"):
        wire.operation.wait(None)


def test_a_status_address_on_a_foreign_host_is_refused() -> None:
    wire = Wire(reply(201, resource("Creating"), {"Azure-AsyncOperation": "https://evil.example/status"}))

    with pytest.raises(
        ForeignHostError, match=r"'evil\.example', named by the header Azure-AsyncOperation.*Nothing was"
    ):
        wire.operation.wait(None)
    assert wire.polled == []


# ------------------------------------------------------------------ time


def test_wait_raises_when_the_deadline_passes_and_never_returns_the_half_made_resource() -> None:
    wire = Wire(created(), *[status("Updating")] * 50)

    with pytest.raises(DeadlinePassed) as caught:
        wire.operation.wait(4)

    assert caught.value.seconds == 4
    assert not wire.operation.done
    assert wire.clock.now == pytest.approx(4)


@pytest.mark.parametrize("timeout", [0.1, 0.5, 1, 3, 30, 300])
def test_the_wait_ends_at_its_deadline_not_after_it_and_looks_shortly_before(timeout: float) -> None:
    wire = Wire(created(), *[status("Updating")] * 100)

    with pytest.raises(DeadlinePassed):
        wire.operation.wait(timeout)

    assert wire.clock.now == pytest.approx(timeout)
    assert wire.polled
    assert wire.clock.pauses[-1] < 0.1 * timeout + 0.06


def test_a_wait_that_was_over_can_go_on() -> None:
    wire = Wire(created(), *[status("Updating")] * 3, status("Succeeded"), reply(200, resource("Succeeded")))
    with pytest.raises(DeadlinePassed):
        wire.operation.wait(0)

    assert wire.operation.wait(60) == resource("Succeeded")


def test_timeout_is_a_limit_and_not_the_pause_between_looks() -> None:
    wire = Wire(created(), status("Updating"), status("Succeeded"), reply(200, resource("Succeeded")))

    wire.operation.wait(30)

    assert wire.clock.now < 2


def test_no_thread_is_started_and_nothing_is_sent_before_somebody_waits() -> None:
    before = threading.active_count()

    wire = Wire(created())

    assert threading.active_count() == before
    assert wire.polled == []


def test_looks_are_quick_then_patient_when_the_service_names_no_pause() -> None:
    wire = Wire(created(), *[status("Updating")] * 20, status("Succeeded"), reply(200, resource("Succeeded")))

    wire.operation.wait(None)

    slept = wire.clock.pauses
    assert 0.45 <= slept[0] <= 0.55
    assert max(slept) <= 10
    assert slept[-1] >= 9
    assert sum(slept[:4]) < 4.5


def test_looks_at_a_local_service_begin_after_a_twentieth_of_a_second() -> None:
    base = "http://127.0.0.1:8000"
    begun = reply(202, None, {"Azure-AsyncOperation": f"{base}/status"})
    wire = Wire(begun, status("Succeeded"), method="DELETE", url=f"{base}/x", base=base)

    wire.operation.wait(None)

    assert 0.045 <= wire.clock.pauses[0] <= 0.055


def test_retry_after_sets_the_next_pause_only() -> None:
    begun = reply(201, resource("Creating"), {"Azure-AsyncOperation": STATUS, "Retry-After": "3"})
    looks = [status("Updating", {"Retry-After": "0.2"}), status("Updating"), status("Succeeded")]
    wire = Wire(begun, *looks, reply(200, resource("Succeeded")))

    wire.operation.wait(None)

    assert wire.clock.pauses[:2] == [3, 0.2]
    assert 0.45 <= wire.clock.pauses[2] <= 0.55


def test_retry_after_beyond_the_deadline_ends_the_wait_at_the_deadline() -> None:
    wire = Wire(reply(202, None, {"Azure-AsyncOperation": STATUS, "Retry-After": "60"}), method="DELETE")

    with pytest.raises(DeadlinePassed):
        wire.operation.wait(5)

    assert wire.clock.now == 5
    assert wire.polled == []


def test_a_busy_service_during_the_wait_does_not_stretch_it() -> None:
    wire = Wire(created(), reply(503, None, {"Retry-After": "100"}))

    with pytest.raises(DeadlinePassed):
        wire.operation.wait(5)

    assert wire.clock.now == 5


def test_poll_looks_once_and_does_not_sleep() -> None:
    wire = Wire(created(), status("Updating"), status("Succeeded"), reply(200, resource("Succeeded")))

    assert wire.operation.poll() is False
    assert wire.operation.poll() is True
    assert wire.operation.poll() is True
    assert wire.clock.pauses == []
    assert wire.operation.wait(0) == resource("Succeeded")


def test_pauses_grow_by_half_up_to_the_longest_and_differ_between_clients() -> None:
    runs = [list(islice(pauses(1, 10), 12)) for _ in range(5)]

    assert len({tuple(run) for run in runs}) == 5
    for run in runs:
        assert 0.9 <= run[0] <= 1.1
        assert 1.35 <= run[1] <= 1.65
        assert all(9 <= pause <= 10 for pause in run[8:])
    assert max(islice(pauses(5, 0.2), 5)) <= 0.2


def test_a_deadline_of_none_never_passes() -> None:
    clock = FakeClock()
    deadline = Deadline(clock, None)

    deadline.sleep(1e9)

    assert not deadline.passed
    assert deadline.remaining() == float("inf")


# ------------------------------------------------------------------ another process


def test_an_operation_goes_on_from_its_token_and_looks_at_once() -> None:
    token = Wire(created()).operation.token()
    clock, transport = FakeClock(), FakeTransport([status("Succeeded"), reply(200, resource("Succeeded"))])
    session = Session(ARM, None, {}, clock=clock, transport=transport)

    operation = Operation.resume(session, token)

    assert not operation.done
    assert transport.requests == []
    assert operation.wait(5) == resource("Succeeded")
    assert clock.now == 0


def test_a_token_is_plain_json_in_base64_and_another_process_can_read_it() -> None:
    token = Wire(created()).operation.token()

    assert json.loads(base64.urlsafe_b64decode(token))["url"] == STATUS
    code = (
        "import sys; from azure_batch_endpoints._http import Operation, Session;"
        f"print(Operation.resume(Session('{ARM}', None, {{}}), sys.argv[1]).token() == sys.argv[1])"
    )
    ran = subprocess.run([sys.executable, "-c", code, token], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "True"


def test_a_token_follows_the_operation_along() -> None:
    wire = Wire(reply(202, b"null", {"Location": RESULT}), reply(202, {}, {"Location": f"{RESULT}&n=2"}), method="POST")
    wire.operation.poll()
    transport = FakeTransport([reply(200)])

    assert Operation.resume(Session(ARM, None, {}, transport=transport), wire.operation.token()).poll()
    assert transport.lines == [f"GET {RESULT}&n=2"]


def test_a_finished_operation_can_be_resumed_too() -> None:
    made = Wire(reply(201, resource("Succeeded"))).operation.token()
    gone = Wire(reply(204), method="DELETE").operation.token()
    session = Session(ARM, None, {}, clock=FakeClock(), transport=FakeTransport([reply(200, resource("Succeeded"))]))

    assert Operation.resume(session, made).wait(5) == resource("Succeeded")
    assert Operation.resume(session, gone).wait(0) is None


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "é",
        encoded([1]),
        encoded({"way": "operation"}),
        encoded({"way": "bad", "url": STATUS, "resource": None, "action": "x", "audience": "management"}),
        encoded({"way": "operation", "url": 7, "resource": None, "action": "x", "audience": "management"}),
    ],
)
def test_a_text_that_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidInputError, match="not a token of an operation"):
        Operation.resume(Session(ARM, None, {}), token)


def test_a_token_that_names_a_foreign_host_sends_nothing() -> None:
    fields = {
        "way": "operation",
        "url": "https://evil.example/",
        "resource": None,
        "action": "x",
        "audience": "management",
    }
    transport = FakeTransport()
    operation = Operation.resume(Session(ARM, None, {}, transport=transport), encoded(fields))

    with pytest.raises(ForeignHostError, match=r"evil\.example"):
        operation.poll()
    assert transport.requests == []


# ------------------------------------------------------------------ beside azure-mgmt-core

RECORDED: dict[str, tuple[str, list[Step]]] = {
    "endpoint created": (
        "PUT",
        [created(), status("Updating"), status("Succeeded"), reply(200, resource("Succeeded"))],
    ),
    "compute created": (
        "PUT",
        [
            reply(201, resource("Creating"), {"Azure-AsyncOperation": STATUS}),
            reply(200, {"status": "InProgress"}),
            reply(200, {"status": "Succeeded", "percentComplete": 100.0}),
            reply(200, resource("Succeeded")),
        ],
    ),
    "deleted": (
        "DELETE",
        [
            reply(202, b"null", {"Azure-AsyncOperation": STATUS, "Location": RESULT}),
            status("Updating"),
            status("Succeeded"),
        ],
    ),
    "canceled": ("POST", [reply(202, b"null", {"Location": RESULT}), reply(202, {}, {"Location": RESULT}), reply(200)]),
    "gone at once": ("DELETE", [reply(204)]),
    "read until made": (
        "PUT",
        [reply(201, resource("Creating")), reply(200, resource("Creating")), reply(200, resource("Succeeded"))],
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_same_requests_are_made_as_by_azure_mgmt_core(name: str) -> None:
    method, script = RECORDED[name]
    stock = FakeTransport(script)
    client: PipelineClient[HttpRequest, object] = PipelineClient(ARM, policies=[RequestIdPolicy()], transport=stock)
    stock.sleep = lambda duration: None  # type: ignore[method-assign]  # its pauses are not what is compared
    first = client._pipeline.run(HttpRequest(method, RESOURCE, headers={"x-ms-client-request-id": "1"}))
    LROPoller(client, first, lambda _response: None, ARMPolling(timeout=0)).result()

    wire = Wire(*script, method=method)
    wire.operation.wait(None)

    assert wire.transport.lines == stock.lines

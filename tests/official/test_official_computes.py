"""Computes through the official client."""

from __future__ import annotations

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import AmlCompute, ComputeInstance, IdentityConfiguration
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError


def test_a_cluster_keeps_all_that_was_asked_for(ml: MLClient) -> None:
    asked = AmlCompute(
        name="cpu-cluster",
        size="Standard_DS3_v2",
        min_instances=0,
        max_instances=4,
        idle_time_before_scale_down=150,
        tier="low_priority",
        tags={"team": "a"},
        description="nodes",
        identity=IdentityConfiguration(type="system_assigned"),
        ssh_public_access_enabled=False,
        enable_node_public_ip=False,
    )

    made = ml.compute.begin_create_or_update(asked).result()
    found = ml.compute.get("cpu-cluster")

    assert (made.name, made.provisioning_state) == ("cpu-cluster", "Succeeded")
    assert (found.type, found.size, found.tier, found.location) == (
        "amlcompute",
        "STANDARD_DS3_V2",
        "low_priority",
        "local",
    )
    assert (found.min_instances, found.max_instances, found.idle_time_before_scale_down) == (0, 4, 150)
    assert (found.tags, found.description, found.identity.type) == ({"team": "a"}, "nodes", "system_assigned")
    assert (found.ssh_public_access_enabled, found.enable_node_public_ip) == (False, False)


def test_a_cluster_is_changed_and_listed(ml: MLClient) -> None:
    ml.compute.begin_create_or_update(AmlCompute(name="changing", tags={"a": "1"})).result()
    one = ml.compute.get("changing")
    one.max_instances, one.tags = 7, {"b": "2"}

    ml.compute.begin_update(one).result()

    found = ml.compute.get("changing")
    assert (found.max_instances, found.tags) == (7, {"b": "2"})
    assert {"local", "changing"} <= {each.name for each in ml.compute.list()}
    assert "changing" in [each.name for each in ml.compute.list(compute_type="AmlCompute")]
    assert list(ml.compute.list_nodes("changing")) == []


@pytest.mark.parametrize("action", ["Delete", "Detach"])
def test_a_deleted_cluster_is_gone(ml: MLClient, action: str) -> None:
    ml.compute.begin_create_or_update(AmlCompute(name="passing")).result()

    ml.compute.begin_delete("passing", action=action).result()

    with pytest.raises(ResourceNotFoundError):
        ml.compute.get("passing")


def test_what_cannot_score_here_is_refused(ml: MLClient) -> None:
    with pytest.raises(HttpResponseError, match="'ComputeInstance' is not supported by the local service"):
        ml.compute.begin_create_or_update(ComputeInstance(name="notebook", size="Standard_DS3_v2")).result()
    with pytest.raises(HttpResponseError, match="name is 'a b'"):
        ml.compute.begin_create_or_update(AmlCompute(name="a b")).result()
    with pytest.raises(HttpResponseError, match="cannot be started, stopped or restarted"):
        ml.compute.begin_stop("local").result()


def test_sizes_and_usage_are_those_of_this_machine(ml: MLClient) -> None:
    (size,) = ml.compute.list_sizes(compute_type="AmlCompute")
    (usage,) = ml.compute.list_usage()

    assert size.name == "LOCAL"
    assert vars(size)["vCPUs"] >= 1  # the client leaves these names as the wire has them
    assert (usage.limit, vars(usage)["currentValue"], usage.unit) == (2, 0, "Count")

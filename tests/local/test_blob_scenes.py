"""The same raw requests to the embedded endpoint and to Azurite: alike but for what is written down and why."""

from __future__ import annotations

import uuid

import pytest

from tests.local.blob_fixtures import Endpoint, azurite, embedded
from tests.local.blob_scenes import Scene, differences, play, read_scenes

__all__ = ["azurite", "embedded"]

SCENES = read_scenes()


@pytest.mark.azurite
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_endpoint_answers_as_azurite_does(scene: Scene, embedded: Endpoint, azurite: Endpoint) -> None:
    container = f"s-{uuid.uuid4().hex[:8]}"
    answers = []
    for endpoint in (embedded, azurite):
        with endpoint.service() as service:
            service.create_container(container)
        answers.append(play(endpoint, scene, container))

    unlike = {}
    for number, (step, ours, theirs) in enumerate(zip(scene.steps, *answers, strict=True)):
        found = differences(ours, theirs)
        said = f"{ours.get('status')} {ours.get('x-ms-error-code', '')}".strip()
        if step.difference:
            assert found, f"{number} {step.line}: no longer different, '{step.difference}' can go"
            assert said == step.difference.partition(":")[0], f"{number} {step.line}"
        elif found:
            unlike[f"{number} {step.line}"] = found
    assert unlike == {}

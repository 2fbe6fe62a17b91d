"""A short chaos run: some jobs under kills drawn by lot, compared byte for byte with the undisturbed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos import Difference, Ended, compare, play
from benchmarks.chaos_scenes import SCENES

pytestmark = pytest.mark.usefixtures("services_unmeasured")


def test_jobs_under_random_kills_end_as_undisturbed_ones_do(tmp_path: Path) -> None:
    seed, names = 7, {"lists", "summary", "exits"}
    scenes = [scene for scene in SCENES if scene.name in names]
    files, disturbances = play(seed, scenes, tmp_path / "round", every=(0.05, 0.5), most=8)
    assert files >= len(scenes) and disturbances.total() > 0


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Ended("Failed", {}, []), "ended Failed, not Completed"),
        (Ended("Completed", {"predictions.csv": b"a\n"}, [("a", "succeeded")]), "holds other inputs"),
        (
            Ended("Completed", {"predictions.csv": b"a\nb\n"}, [("a", "succeeded"), ("b", "failed")]),
            "1 inputs ended otherwise",
        ),
        (
            Ended("Completed", {"predictions.csv": b"b\na\n"}, [("a", "succeeded"), ("b", "succeeded")]),
            "other bytes in .*predictions.csv",
        ),
    ],
)
def test_the_chaos_run_sees_what_is_not_as_it_should_be(other: Ended, said: str) -> None:
    items = [("a", "succeeded"), ("b", "succeeded")]
    calm = Ended("Completed", {"predictions.csv": b"a\nb\n"}, items)
    compare(SCENES[0], calm, calm)
    with pytest.raises(Difference, match=said):
        compare(SCENES[0], calm, other)

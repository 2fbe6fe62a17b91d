"""What one client uploaded, the other finds again by its content and does not send a second time."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from azure_batch_endpoints import BatchClient, DatasetSpec, ModelSpec
from azure_batch_endpoints._storage import codes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Data, Model
    from azure.ai.ml.entities._assets import Code


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder as people have them; its content is of this test alone."""
    made = tmp_path / "some files"
    (made / "nested" / "deep").mkdir(parents=True)
    (made / "score.py").write_text(f"# {request.node.name}\ndef init(): ...\ndef run(batch): return batch\n")
    (made / "nested" / "ünï cödé.txt").write_bytes(b"\r\n\x00" * 10)
    (made / "nested" / "deep" / "empty").write_bytes(b"")
    (made / "nested" / ".hidden").write_text("hidden")
    (made / "ignored.log").write_text("never sent")
    (made / ".amlignore").write_text("*.log\n")
    return made


def stored(local: BatchClient) -> set[tuple[str, object]]:
    """Every blob of the default datastore, and when it was written."""
    return {(one.name, one.modified) for one in local._workspace.container().list()}


def ours(local: BatchClient, kind: str, path: Path, version: str) -> str:
    if kind == "data":
        return local.datasets.create(DatasetSpec(name="shared-uploads", path=path, version=version)).uri
    return local.models.create(ModelSpec(name="shared-uploads", path=path, version=version)).uri


def theirs(ml: MLClient, kind: str, path: Path, version: str) -> str:
    if kind == "data":
        kind_of = "uri_folder" if path.is_dir() else "uri_file"
        asset = ml.data.create_or_update(Data(name="shared-uploads", path=str(path), type=kind_of, version=version))
    else:
        asset = ml.models.create_or_update(Model(name="shared-uploads", path=str(path), version=version))
    return str(asset.path)


@pytest.mark.parametrize("is_folder", [True, False], ids=["folder", "file"])
@pytest.mark.parametrize("kind", ["data", "models"])
def test_data_and_models_are_found_again_both_ways(
    local: BatchClient, ml: MLClient, folder: Path, kind: str, is_folder: bool
) -> None:
    path = folder if is_folder else folder / "nested" / "ünï cödé.txt"
    if not is_folder:
        path.write_text(f"{kind} of the official client")
    before, number = stored(local), f"{kind}-{is_folder}"

    first = theirs(ml, kind, path, f"{number}-1")
    after_theirs = stored(local)
    again = ours(local, kind, path, f"{number}-2")

    assert len(after_theirs) > len(before)
    assert stored(local) == after_theirs
    assert first.lower() == again.lower()

    (path if not is_folder else folder / "score.py").write_text(f"{kind} of ours, {is_folder}")
    first = ours(local, kind, path, f"{number}-3")
    after_ours = stored(local)
    again = theirs(ml, kind, path, f"{number}-4")

    assert len(after_ours) > len(after_theirs)
    assert stored(local) == after_ours
    assert first.lower() == again.lower()
    assert not any("ignored.log" in name for name, _ in after_ours - before)


def test_code_is_found_again_both_ways(local: BatchClient, ml: MLClient, folder: Path) -> None:
    def code() -> str:
        return codes.register_code(local._workspace, codes.code_source(folder), None)

    assert code() == ml._code.create_or_update(Code(path=str(folder))).id

    (folder / "score.py").write_text("# the official client is the first\ndef init(): ...\ndef run(b): return b\n")
    assert ml._code.create_or_update(Code(path=str(folder))).id == code()


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_many_small_files_and_a_large_one_are_found_again_both_ways(
    local: BatchClient, ml: MLClient, tmp_path: Path, first: str
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02} é#%.txt").write_text(f"{first} {number}")
    (folder / "00 large.bin").write_bytes(os.urandom(17 * 1024 * 1024))
    (folder / ".gitignore").write_text("*.tmp\nsub\n")
    (folder / "x.tmp").write_text("never sent")
    ways = [ours, theirs] if first == "ours" else [theirs, ours]
    before = stored(local)

    places = [ways[0](local if ways[0] is ours else ml, "data", folder, f"mixed-{first}-1")]
    after = stored(local)
    places.append(ways[1](local if ways[1] is ours else ml, "data", folder, f"mixed-{first}-2"))

    assert len(after - before) == 42
    assert stored(local) == after
    assert places[0].lower().endswith(places[1].lower().rsplit("/paths/", 1)[-1])

"""The JavaScript client, which Storage Explorer uses, against both blob endpoints. Needs Node.js and npm's registry."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from azure_batch_endpoints.local.azurite.install import Package, install
from azure_batch_endpoints.local.azurite.node import find_node
from tests.local.blob_fixtures import Endpoint, azurite, embedded, endpoint
from tests.local.blob_server import ACCOUNT, KEY

__all__ = ["azurite", "embedded", "endpoint"]

HERE = Path(__file__).parent / "javascript"
MAIN = Path("node_modules", "@azure", "storage-blob", "package.json")


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (HERE / "package-lock.json").read_text(encoding="utf-8")


@pytest.mark.azurite
@pytest.mark.timeout(240)  # the first time for a user it is installed
def test_the_client_of_storage_explorer_does_all_it_can(endpoint: Endpoint) -> None:
    node = find_node()
    client = install(Package("blob-client", HERE, MAIN), node)
    name = f"js-{uuid.uuid4().hex[:8]}"

    done = subprocess.run(
        [node.program, str(HERE / "walk.mjs"), endpoint.url, ACCOUNT, KEY, name],
        env={**os.environ, "CLIENT_PACKAGE": str(client)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen == {
        "kind": "StorageV2",
        "cors": [],
        "corsSet": ["GET"],
        "containers": [[name, {"MadeBy": "test"}, "blob"]],
        "properties": {"madeby": "test"},
        "policies": [["readers", "rl"]],
        "blob": [5_000_000, "text/plain", {"mixedcase": "Value"}, 1],
        "same": True,
        "range": ["01234", 16],
        "hierarchy": [["prefix", "folder/"], ["blob", "log"]],
        "flat": [
            ["folder/small", {}, {}],
            ["folder/ü file.txt", {"MixedCase": "Value"}, {"kind": "test"}],
            ["log", {}, {}],
        ],
        "tags": {"kind": "test"},
        "tier": "Cool",
        "snapshot": "small",
        "deletion": "409 SnapshotsPresent",
        "leased": "412 LeaseIdMissing",
        "copied": "success",
        "found": ["folder/ü file.txt"],
        "byPolicy": 4,
        "byPolicyRefused": "403 AuthorizationPermissionMismatch",
        "batch": [202, 202, 404],
        "missing": "404 BlobNotFound",
    }

"""The change log speaks of the version that is in the code, in the form of Keep a Changelog."""

from __future__ import annotations

import re
from pathlib import Path

from azure_batch_endpoints._version import __version__

CHANGELOG = (Path(__file__).parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Upgrade note"}


def test_the_newest_version_of_the_change_log_is_that_of_the_package() -> None:
    versions = re.findall(r"^## \[(\d\S*)\]", CHANGELOG, flags=re.MULTILINE)

    assert versions[0] == __version__


def test_every_version_has_a_date_and_only_the_usual_sections() -> None:
    for heading in re.findall(r"^## (?!\[Unreleased\])(.*)$", CHANGELOG, flags=re.MULTILINE):
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\S*\] - \d{4}-\d{2}-\d{2}", heading)

    assert set(re.findall(r"^### (.*)$", CHANGELOG, flags=re.MULTILINE)) <= KINDS

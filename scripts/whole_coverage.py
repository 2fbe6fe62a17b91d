"""Remove the coverage data that killed processes left half written: nobody can read it, and no test is to blame."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def is_whole(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(file)) as data:
            version = data.execute("SELECT version FROM coverage_schema").fetchone()
            return version is not None and list(data.execute("PRAGMA quick_check")) == [("ok",)]
    except sqlite3.Error:
        return False


def main() -> None:
    files = [file for file in Path().glob(".coverage.*") if not file.name.endswith("-journal")]
    torn = [file for file in files if not is_whole(file)]
    for file in torn:
        file.unlink()
        Path(f"{file}-journal").unlink(missing_ok=True)
    if torn:
        print(f"{len(torn)} of {len(files)} processes were ended while they wrote what they had covered.")


if __name__ == "__main__":
    main()

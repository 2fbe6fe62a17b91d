"""Put a folder's files into a container: what ``az storage blob upload-batch`` does in the how-to."""

import os
import sys
from pathlib import Path

from azure.storage.blob import ContainerClient

container, here, there = sys.argv[1:]
with ContainerClient.from_connection_string(os.environ["CONNECTION"], container) as client:
    for file in sorted(path for path in Path(here).rglob("*") if path.is_file()):
        client.upload_blob(f"{there}/{file.relative_to(here).as_posix()}", file.read_bytes(), overwrite=True)

"""`EntryScript`: a scoring script's way to its log file, its name and its folders, as on Azure."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

FORM = "%(asctime)s %(levelname)s %(process)d %(filename)s:%(lineno)d %(message)s"


class EntryScript:
    """There is one in a process; it can be asked for anywhere."""

    _one = None  # type: EntryScript | None
    log_dir: str
    """Folder for the script's own logs, `logs/user/entry_script_log/<node>`; shown with the job's."""
    output_dir: str
    """AZUREML_BI_OUTPUT_PATH."""
    agent_name: str
    """The worker's name, "process003"."""
    logger: logging.Logger
    """Writes to `<agent_name>.log.txt` in `log_dir`, from the deployment's `logging_level` on."""

    def __new__(cls) -> EntryScript:
        """Return the one."""
        if cls._one is None:
            one = super().__new__(cls)
            one.log_dir = os.environ.get("AZURE_BATCH_ENDPOINTS_LOG_FOLDER", os.curdir)
            one.output_dir = os.environ.get("AZUREML_BI_OUTPUT_PATH", os.curdir)
            one.agent_name = os.environ.get("AZURE_BATCH_ENDPOINTS_AGENT", "process000")
            with suppress(OSError):  # no room, perhaps: whoever writes there will be told
                Path(one.log_dir).mkdir(parents=True, exist_ok=True)
            one.logger = _logger(Path(one.log_dir), one.agent_name)
            cls._one = one
        return cls._one


class _Handler(logging.FileHandler):
    """Fails no script: where the file cannot be written, logging says so on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
            super().emit(record)
        except OSError:
            self.handleError(record)


def _logger(folder: Path, name: str) -> logging.Logger:
    logger = logging.getLogger("azureml_user.parallel_run")
    logger.setLevel(os.environ.get("AZURE_BATCH_ENDPOINTS_LOGGING_LEVEL", "info").upper())
    logger.propagate = False
    handler = _Handler(str(folder / (name + ".log.txt")), encoding="utf-8", delay=True)
    formatter = logging.Formatter(FORM)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    return logger

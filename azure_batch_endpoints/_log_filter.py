"""Keeps signatures out of the log lines of urllib3, which at DEBUG writes every address with its whole query.

And keeps a broken connection, which is borne, from being printed.
"""

from __future__ import annotations

import logging

from azure_batch_endpoints.errors import redact

_WARNS = "azure.core.pipeline.transport._requests_basic"
"""Warns of each broken connection; where nobody set logging up, Python prints that to stderr."""
_TALKATIVE = ("urllib3.connectionpool", "urllib3.util.retry")


class _Blot(logging.Filter):
    """Lets every record pass, with signatures, keys and tokens blotted out."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(redact(one) if isinstance(one, str) else one for one in record.args)
        if not record.args and isinstance(record.msg, str):  # another filter, as that of mlflow, has put it together
            record.msg = redact(record.msg)
        return True


def blot_signatures() -> None:
    """See to it that addresses of logs and blobs are logged without their signatures; more than once is fine."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Blot) for one in logger.filters):
            logger.addFilter(_Blot())
    warns = logging.getLogger(_WARNS)
    if not any(isinstance(one, logging.NullHandler) for one in warns.handlers):
        warns.addHandler(logging.NullHandler())

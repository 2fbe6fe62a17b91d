"""When which worker had which mini-batch in work: the tries of a job as bars, grouped so that a drawing holds them.

Here: reading and grouping. Not here: how it is drawn, which is `_render.timeline`'s matter.
"""

from __future__ import annotations

from azure_batch_endpoints._render.timeline import Bar, Timeline
from azure_batch_endpoints.local.ledger_file import LedgerFile

MOST_BARS = 600
"""Bars of one timeline; of more tries than this, those of one worker in one span of time become one bar."""
MOST_READ = 50_000
"""Mini-batches that went well which are read at most; of more, every so manieth, which then counts for all of them."""
MOST_LANES = 40
"""Workers of one timeline, the first by name."""
_FILES = "BETWEEN {0} * j.mini_batch_size AND ({0} + 1) * j.mini_batch_size - 1"
"""Indices of the files of a mini-batch."""
# A try that failed and was tried again is a bar of its own; the last one is the mini-batch's, or its piece's.
_TRIES = (
    "SELECT m.worker AS worker, m.started AS started, m.seconds AS seconds, m.number AS number,"
    " iif(m.status = 'succeeded', {every}, 1) AS mini_batches,"
    " m.items * iif(m.status = 'succeeded', {every}, 1) AS items, m.failed AS items_failed,"
    " m.status = 'failed' AS failed, m.status = 'partial' AS partial, 0 AS lost"
    " FROM mini_batches m CROSS JOIN job j WHERE m.started IS NOT NULL"
    " AND (m.number % {every} = 0 OR m.status != 'succeeded')"
    f" AND NOT EXISTS (SELECT 1 FROM pieces p WHERE p.first {_FILES.format('m.number')})"
    " UNION ALL SELECT p.worker, p.started, p.seconds, p.mini_batch, p.first = p.mini_batch * j.mini_batch_size,"
    " p.last - p.first + 1, p.failed, p.failed > p.last - p.first, p.failed BETWEEN 1 AND p.last - p.first, 0"
    " FROM pieces p CROSS JOIN job j WHERE p.started IS NOT NULL"
    " UNION ALL SELECT t.worker, t.started, t.seconds, t.mini_batch, 0, 0, 0, 0, 0, 1 FROM tries t CROSS JOIN job j"
    " LEFT JOIN mini_batches m ON m.number = t.mini_batch"
    " WHERE t.started IS NOT NULL AND (m.started IS NULL OR m.started != t.started OR m.worker IS NOT t.worker)"
    f" AND NOT EXISTS (SELECT 1 FROM pieces p WHERE p.first {_FILES.format('t.mini_batch')}"
    " AND p.started = t.started AND p.worker IS t.worker)"
)
_SUMS = (
    "SELECT worker, min(started), max(started + seconds), min(number), max(number), sum(mini_batches), sum(items),"
    f" sum(items_failed), sum(failed), sum(partial), sum(lost) FROM ({_TRIES})"
)


def timeline(file: LedgerFile, most: int = MOST_BARS) -> Timeline:
    """Return the tries of a job as bars.

    Args:
        file: the ledger's.
        most: about how many bars at most; one a worker at least.
    """
    every = max(1, file.number("SELECT done FROM job") // MOST_READ)
    tries, workers, begin, end = file.rows(
        "SELECT count(*), count(DISTINCT worker), min(started), max(started + seconds)"
        f" FROM ({_TRIES}) WHERE worker IS NOT NULL".replace("{every}", str(every))
    )[0]
    if not workers:
        return Timeline()
    single, step = tries <= most, 1.0
    if not single:
        step = max((end - begin) / max(1, most // min(workers, MOST_LANES)), 1e-6)
    each = "worker, started, number, lost" if single else f"worker, CAST((started - {begin!r}) / {step!r} AS INTEGER)"
    query = f"{_SUMS} WHERE worker IS NOT NULL GROUP BY {each} ORDER BY worker, min(started)"
    rows = file.rows(query.replace("{every}", str(every)))
    shown = set(sorted({row[0] for row in rows})[:MOST_LANES])
    return Timeline(tuple(Bar(*row) for row in rows if row[0] in shown), workers, every)

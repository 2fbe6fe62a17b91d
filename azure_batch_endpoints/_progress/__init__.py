"""Progress on stderr, in a notebook or on a terminal.

``screen`` knows where one can draw, and is the one home of tqdm; ``jobs`` draws jobs in input files, ``transfers``
what goes to and comes from a store in bytes.
"""

from __future__ import annotations

from azure_batch_endpoints._progress.jobs import bar_state, job_bar, jobs_bar
from azure_batch_endpoints._progress.notebook import Place
from azure_batch_endpoints._progress.screen import in_notebook, wanted
from azure_batch_endpoints._progress.transfers import download_bar, upload_bar

__all__ = ["Place", "bar_state", "download_bar", "in_notebook", "job_bar", "jobs_bar", "upload_bar", "wanted"]

"""For all tests: Ctrl-C works in the processes they start, even where the tests run in the background without it."""

from __future__ import annotations

import signal

# A shell without job control starts background commands with SIGINT ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

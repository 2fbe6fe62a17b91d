"""Graphics processors: each worker sees one of its own, as long as there are enough.

Here: which there are and who has which. Not here: whether a script uses one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
_lock = threading.Lock()
_taken: set[str] = set()
"""By workers of any job of this process."""


def take_device(environment: Mapping[str, str]) -> str | None:
    """Take a device for a worker; None when all have their worker, or there are not several.

    Args:
        environment: the worker's variables; `CUDA_VISIBLE_DEVICES` among them says which devices count, and without it
            all do that the machine has.
    """
    devices = visible_devices(environment)
    if len(devices) < 2:
        return None
    with _lock:
        free = [device for device in devices if device not in _taken]
        if not free:
            return None
        _taken.add(free[0])
        return free[0]


def free_device(device: str) -> None:
    """Give a device back."""
    with _lock:
        _taken.discard(device)


def visible_devices(environment: Mapping[str, str], machine: Path = Path("/dev")) -> list[str]:
    """Return the devices that a worker could use, by index or by name; a negative index ends the list, as CUDA says."""
    if VARIABLE not in environment:
        numbers = (path.name[len("nvidia") :] for path in machine.glob("nvidia[0-9]*"))
        return sorted((number for number in numbers if number.isdigit()), key=int)
    devices: list[str] = []
    for device in environment[VARIABLE].split(","):
        if not device.strip() or device.strip().startswith("-"):
            break
        devices.append(device.strip())
    return list(dict.fromkeys(devices))

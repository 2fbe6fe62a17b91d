"""What `run()` returned, as rows: how many they are, and the text that the service writes of them."""

from __future__ import annotations

from typing import Any

WRONG_TYPE = (
    "The run() method in the entry script should return a list or a pandas DataFrame. "
    "The length of returned result is considered as succeeded number of items. "
    "For --output_action=append_row, the returned result is what to write into the result file. "
    "The actual type of output is {}."
)
"""The service's own words."""


class WrongReturnType(TypeError):
    """`run()` returned something that is no rows."""


def is_a(value: object, package: str, name: str) -> bool:
    """Whether `value` is of a class of a library, told by its class alone: the library may have been unloaded."""
    return any(one.__name__ == name and one.__module__.split(".")[0] == package for one in type(value).__mro__)


def is_frame(value: object) -> bool:
    """Whether `value` is a pandas DataFrame."""
    return is_a(value, "pandas", "DataFrame")


def count_rows(result: Any) -> int:
    """Return the number of rows of what `run()` returned; of what has none, the words of `WRONG_TYPE` tell."""
    array = is_a(result, "numpy", "ndarray") and result.ndim > 0
    if array or isinstance(result, (list, tuple)) or is_frame(result):
        return len(result)
    raise WrongReturnType(WRONG_TYPE.format(type(result).__name__))


def frame_text(frame: Any) -> str:
    """Return a DataFrame as the service writes it: values with spaces between, no header, no index."""
    return str(frame.to_csv(sep=" ", header=False, index=False))


def list_texts(result: Any) -> list[str]:
    """Return each element as the service writes it; what follows is a line break."""
    if is_a(result, "numpy", "ndarray") and result.ndim > 1:
        result = result.tolist()  # str() of an array's row breaks long lines
    return [str(element) for element in result]

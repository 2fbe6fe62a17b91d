"""The scoring script, the same for Azure ML and the local service.

A worker process calls init() once, then run() for each of its mini-batches.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

model: Any = None


def init() -> None:
    """Load the model. AZUREML_MODEL_DIR is the folder that holds the registered folder ``model``."""
    global model
    model = pickle.loads((Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "digits.pkl").read_bytes())


def run(mini_batch: list[str]) -> pd.DataFrame:
    """Return a row (file, digit, probability) for each picture of the mini-batch."""
    pixels = np.stack([np.asarray(Image.open(path), dtype=np.float64).ravel() for path in mini_batch])
    chances = model.predict_proba(pixels)
    return pd.DataFrame(
        {
            "file": [Path(path).name for path in mini_batch],
            "digit": model.classes_[chances.argmax(axis=1)],
            "probability": chances.max(axis=1).round(4),
        }
    )

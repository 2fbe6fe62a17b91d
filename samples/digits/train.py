"""Train a small classifier on the half of the pictures marked "train" in labels.csv. Takes a few seconds.

Run make_data.py first. Writes model/digits.pkl, and says how well it does on the pictures it has not seen.
"""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC

HERE = Path(__file__).parent


def load(folder: Path, labels: Path, split: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the pictures of one split as rows of 64 pixels, and their digits."""
    with labels.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    pixels = [np.asarray(Image.open(folder / row["file"]), dtype=np.float64).ravel() for row in rows]
    return np.stack(pixels), np.array([int(row["digit"]) for row in rows])


def train(folder: Path, labels: Path, model: Path) -> float:
    """Fit on the training half, save to ``model``, and return the accuracy on the other half (0 to 1)."""
    # gamma suits pixels of 0 to 240; calibration turns the classifier's scores into probabilities.
    classifier: Any = CalibratedClassifierCV(SVC(gamma=0.001 / 15**2), ensemble=False)
    classifier.fit(*load(folder, labels, "train"))
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(pickle.dumps(classifier))
    return float(classifier.score(*load(folder, labels, "test")))


if __name__ == "__main__":
    if not (HERE / "labels.csv").exists():
        raise SystemExit("There are no pictures yet. Run first: python samples/digits/make_data.py")
    accuracy = train(HERE / "data", HERE / "labels.csv", HERE / "model" / "digits.pkl")
    print(f"Trained model/digits.pkl; right on {accuracy:.1%} of the pictures it was not trained on")

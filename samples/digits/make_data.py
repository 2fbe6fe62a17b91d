"""Write the real handwritten digits that ship inside scikit-learn as picture files. Needs no network.

    data/0000.png … data/1796.png    the 1,797 pictures: 8 by 8 pixels, grey
    labels.csv                       the true digit of each, and whether train.py may learn from it

The labels lie beside the pictures, not among them: every file in data/ is scored.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from PIL import Image
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
BRIGHTNESS = 15
"""The data set counts ink from 0 to 16; a PNG holds 0 to 255. Times 15 nothing is lost."""


def write(folder: Path, labels: Path) -> int:
    """Write every picture into ``folder`` and the table of true digits to ``labels``.

    The first half is for training, the second for testing. The data set is in the order in which it was written by
    hand, so this keeps most writers of the second half unknown to the model.

    Returns:
        the number of pictures.
    """
    digits: Any = load_digits()
    folder.mkdir(parents=True, exist_ok=True)
    total = len(digits.images)
    rows = [["file", "digit", "split"]]
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        name = f"{number:04}.png"
        Image.fromarray((pixels * BRIGHTNESS).astype("uint8")).save(folder / name)
        rows.append([name, str(digit), "train" if number < total // 2 else "test"])
    with labels.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return total


if __name__ == "__main__":
    print(f"Wrote {write(HERE / 'data', HERE / 'labels.csv'):,} pictures to {HERE / 'data'}")

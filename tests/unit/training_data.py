"""Small datasets in the official layout, and recipes made small."""

from __future__ import annotations

import numpy as np

from openbasket.dataset.reader import SPLIT_FILES
from openbasket.skills import OFFICIAL_ORDER, SKILLS, official_level
from openbasket.video.write import VideoWriter
from openbasket.workspace import write_text

SMALL = [
    "data.frames=3",
    "data.size=32",
    "data.short_side=32",
    "train.batch_size=4",
    "model.options.width=8",
    "model.options.dim=32",
    "model.options.depth=1",
]
#: The same for a model of tests/unit/training_models.py.
OWN = [*SMALL[:4], "train.epochs=2"]


def reel(path, colour, frames=6):
    with VideoWriter(path, width=96, height=64) as writer:
        for i in range(frames):
            frame = np.full((64, 96, 3), 40, np.uint8)
            frame[:, :, colour % 3] = 100 + 20 * (colour // 3) + 5 * i
            writer.write(frame)
    return path


def write_splits(root, levels, count=5, splits=("train", "val", "test")):
    """Write the split files: reel ``i`` has ``levels[i]``, in the order of SKILLS; ``count`` levels."""
    lines = [",".join(["path", *(skill.name for skill in OFFICIAL_ORDER)])]
    for i, row in enumerate(levels):
        by_skill = dict(zip(SKILLS, row, strict=True))
        cells = [
            "" if by_skill[s] is None else str(official_level(s, by_skill[s], count))
            for s in OFFICIAL_ORDER
        ]
        lines.append(",".join([f"BASKET/21-22/L/s{i}_21_22.mp4", *cells]))
    for split in splits:
        write_text(root / SPLIT_FILES[split], "\n".join(lines) + "\n")


def some_levels(count):
    """The level is the reel's colour, and some labels are not known."""
    return [tuple(None if (i + k) % 7 == 0 else i % 3 for k in range(20)) for i in range(count)]


def write_dataset(root, count):
    """``count`` reels; train, val and test hold all of them. Returns the reels' paths."""
    write_splits(root, some_levels(count))
    folder = root / "BASKET" / "21-22" / "L"
    return [reel(folder / f"s{i}_21_22.mp4", i) for i in range(count)]

"""What the official code of the paper gets wrong must not happen here."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from openbasket.dataset.reader import SPLIT_FILES, read_split
from openbasket.errors import BadInputError, OpenBasketError
from openbasket.evaluation import evaluate
from openbasket.evaluation.metrics import accuracy_cells
from openbasket.evaluation.predictions import read_predictions, to_array
from openbasket.skills import OFFICIAL_ORDER, SKILL_KEYS
from openbasket.training import checkpoint
from openbasket.training.config import load_recipe
from openbasket.training.loop import BEST, train
from openbasket.training.predict import predict
from openbasket.video.write import VideoWriter
from openbasket.workspace import write_text

COUNT = 7  # not a multiple of the batch size 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A dataset of seven reels, a run and its predictions."""
    root = tmp_path_factory.mktemp("official_code")
    rng = np.random.default_rng(0)
    lines = [",".join(["path", *(skill.name for skill in OFFICIAL_ORDER)])]
    for i in range(COUNT):
        name = f"BASKET/21-22/L/s{i}_21_22.mp4"
        with VideoWriter(root / name, width=96, height=64) as writer:
            for _ in range(6):
                writer.write(np.full((64, 96, 3), 30 * i, np.uint8))
        lines.append(",".join([name, *(str(level) for level in rng.integers(0, 5, 20))]))
    for split in ("train", "val", "test"):
        write_text(root / SPLIT_FILES[split], "\n".join(lines) + "\n")
    recipe = load_recipe(
        "tiny",
        [
            "data.frames=2",
            "data.size=32",
            "data.short_side=32",
            "train.batch_size=4",
            "train.epochs=2",
            "model.options.width=8",
            "model.options.dim=16",
            "model.options.depth=1",
        ],
    )
    report = train(recipe, root, root / "run", quiet=True, workers=1)
    predict(root / "run", root, root / "p.parquet", quiet=True, workers=1)
    return root, report


def test_a_test_video_that_does_not_decode_is_named_and_not_replaced(trained, tmp_path):
    root, _ = trained
    video = root / "BASKET" / "21-22" / "L" / "s5_21_22.mp4"
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    try:
        done = predict(root / "run", root, tmp_path / "p.parquet", quiet=True, workers=1)
    finally:
        video.write_bytes(whole)
    assert [failure.subject_id for failure in done.failures] == ["s5_L_21_22"]
    assert "s5_21_22.mp4" in (tmp_path / "p.failures.json").read_text()
    assert done.frame["subject_id"].n_unique() == COUNT - 1
    with pytest.raises(BadInputError, match=f"no prediction for 1 of {COUNT}.*s5_L_21_22"):
        evaluate([tmp_path / "p.parquet"], root, allow_crossing=True)


def test_no_row_of_the_test_split_is_dropped(trained, tmp_path):
    root, _ = trained
    frame = pl.read_parquet(root / "p.parquet")
    assert frame.height == COUNT * 20
    assert frame["subject_id"].n_unique() == COUNT
    assert evaluate([root / "p.parquet"], root, allow_crossing=True).find("run").subjects == COUNT
    last = frame["subject_id"].to_list()[-1]
    frame.filter(pl.col("subject_id") != last).write_parquet(tmp_path / "fewer.parquet")
    with pytest.raises(BadInputError, match=f"no prediction for 1 of {COUNT}.*{last}"):
        evaluate([tmp_path / "fewer.parquet"], root, allow_crossing=True)


def test_an_answer_of_the_wrong_length_is_refused(trained, tmp_path):
    root, _ = trained
    frame = pl.read_parquet(root / "p.parquet")
    frame[:-1].write_parquet(tmp_path / "short.parquet")
    with pytest.raises(BadInputError, match=f"without {SKILL_KEYS[-1]}"):
        evaluate([tmp_path / "short.parquet"], root, allow_crossing=True)


def test_accuracy_is_of_all_samples_and_no_mean_of_batches(trained):
    root, report = trained
    best = report.history[report.best_epoch]
    scored = (
        evaluate([root / "p.parquet"], root, allow_crossing=True)
        .find("run")
        .scores["accuracy"]["mean"]
    )
    assert scored.value == pytest.approx(best["val_accuracy"], abs=1e-6)  # val and test are equal
    assert scored.labels == best["val_labels"] == COUNT * 20
    samples = read_split(root, "test")
    frame = read_predictions(root / "p.parquet")
    array = to_array(frame, [s.subject_id for s in samples], 5)
    right = accuracy_cells(array, np.array([s.levels for s in samples], dtype=float))
    naive = (right[:4].mean() + right[4:].mean()) / 2  # what batches of 4 and 3 would give
    assert abs(scored.value - naive) > 1e-3


def test_a_pickle_in_place_of_weights_is_not_opened(trained, tmp_path):
    class Touch:
        def __reduce__(self):
            return (write_text, (tmp_path / "ran", "code ran"))

    torch.save({"x": Touch()}, tmp_path / BEST)
    with pytest.raises(OpenBasketError, match="is damaged"):
        checkpoint.load_weights(tmp_path / BEST, torch.nn.Linear(1, 1))
    assert not (tmp_path / "ran").exists()

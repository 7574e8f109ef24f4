"""Figure 6: frames of reels with whose they are, of our datasets and of the official layout alone."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest
from training_data import reel, write_splits
from typer.testing import CliRunner

from openbasket import cli
from openbasket.dataset.snapshots import draw_snapshots, gather, has_reels, snapshots
from openbasket.errors import ConfigError, NotFoundError, UnknownNameError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Seven reels of growing brightness, in train alone."""
    root = tmp_path_factory.mktemp("figure6")
    levels = [tuple(None if k < 4 else i % 5 for k in range(20)) for i in range(7)]
    write_splits(root, levels, splits=("train",))
    for i in range(7):
        reel(root / "BASKET" / "21-22" / "L" / f"s{i}_21_22.mp4", i % 3, frames=16)
    return root


def test_rows_are_eight_even_frames_and_the_means_of_labels(root):
    rows = gather(root, count=3)
    assert [row.name for row in rows] == ["s0", "s1", "s2"]
    assert rows == [] or all(row.frames.shape[0] == 8 for row in rows)
    red = rows[0].frames[..., 0].mean(axis=(1, 2))
    assert (np.diff(red) > 3).all()  # brighter by 5 a frame, two frames apart
    assert set(rows[2].categories.values()) == {2.0}
    [one] = gather(root, ["s4_L_21_22"])
    assert (one.name, one.split, one.season) == ("s4", "train", "21-22")


def test_the_figure_tells_names_levels_and_has_a_picture_for_each_frame(root, tmp_path):
    path = draw_snapshots(root, tmp_path, count=2)
    text = path.read_text(encoding="utf-8")
    words = html.unescape(" ".join(re.findall(r"<!-- (.*?) -->", text)))
    assert text.count("<image") == 16
    for word in ("s0", "s1", "L 21-22", "train", "DEF 1.0", "Poor", "Excellent"):
        assert word in words
    again = draw_snapshots(root, tmp_path / "again", count=2)
    assert again.read_bytes() == path.read_bytes()
    assert len(snapshots(gather(root, count=7)).axes) == 7 * 9


def test_the_command_draws_it_for_the_official_layout(root, tmp_path):
    done = CliRunner().invoke(
        cli.app,
        ["figures", str(root), "--out", str(tmp_path), "--format", "png", "--reels", "2", "--json"],
    )
    assert done.exit_code == 0, done.output
    [file] = json.loads(done.output)["files"]
    assert (tmp_path / "figure6_reels.png").read_bytes()[:4] == b"\x89PNG"
    assert file.endswith("figure6_reels.png")


def test_what_cannot_be_drawn_is_refused(root, tmp_path):
    with pytest.raises(UnknownNameError, match="s1_L_21_22"):
        gather(root, ["s9_L_21_22"])
    with pytest.raises(ConfigError, match="gif"):
        draw_snapshots(root, tmp_path, suffix="gif")
    write_splits(tmp_path, [(1,) * 20])
    assert not has_reels(tmp_path)
    assert has_reels(root, ["s1_L_21_22"])
    assert not has_reels(root, ["s1_L_21_22", "s9_L_21_22"])
    with pytest.raises(NotFoundError, match="no reel"):
        gather(tmp_path)

"""Reels that were put into a store, and what ``build`` finds in the workspace."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from faults import killing
from typer.testing import CliRunner

from openbasket import tables
from openbasket.cli import app
from openbasket.dataset.build import build as build_dataset
from openbasket.dataset.verify import verify
from openbasket.errors import NotFoundError, WorkspaceError
from openbasket.receipts import read_receipt, receipt_path
from openbasket.reels import ClipSettings, ReelSettings, build
from openbasket.skills import SKILL_KEYS
from openbasket.workspace import Workspace, write_json

CLIP = ClipSettings(0.5, 0.5, preset="ultrafast")
SETTINGS = ReelSettings(2, clip=CLIP)


def labelled(workspace: Workspace) -> None:
    """Levels and splits for the players."""
    names = [f"p{number}" for number in range(killing.PLAYERS)]
    levels = [
        (f"{name}_L_21_22", skill, None, None, None, None, 5, 2, "computed")
        for name in names
        for skill in SKILL_KEYS
    ]
    splits = [(f"{name}_L_21_22", name, "L", "21-22", "train", None) for name in names]
    for table, rows in (("levels", levels), ("splits", splits)):
        workspace.write(table, pl.DataFrame(rows, tables.dtypes(table), orient="row"))
    write_json(workspace.private / "labels.json", {"settings": {"levels": 5}})


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> tuple[Workspace, Path]:
    """A workspace whose reels lie in a store; those of an older choice of events lie in its BASKET/."""
    folder = tmp_path_factory.mktemp("stored")
    workspace, store = killing.filmed(folder / "ws", games=2), folder / "store"
    labelled(workspace)
    build(workspace, ReelSettings(1, clip=CLIP), workers=1, quiet=True)
    report = build(workspace, SETTINGS, store=str(store), workers=1, quiet=True)
    assert report.reels == killing.PLAYERS
    return workspace, store


@pytest.fixture
def copied(stored, tmp_path) -> tuple[Workspace, Path]:
    workspace, store = stored
    shutil.copytree(workspace.root, tmp_path / "ws")
    return Workspace(tmp_path / "ws"), store


def test_reels_that_were_not_copied_are_named_with_their_place(copied):
    workspace, store = copied
    shutil.rmtree(workspace.reels)
    with pytest.raises(NotFoundError) as caught:
        build_dataset(workspace)
    told = str(caught.value)
    assert "\n" not in told
    assert workspace.read("reels")["path"].min() in told
    assert f"'{store}': copy the folder BASKET/ from there into '{workspace.root}'" in told


def test_an_older_reel_is_not_taken_for_the_new_one(copied):
    workspace, store = copied
    with pytest.raises(WorkspaceError, match="not what table 'reels' tells of") as caught:
        build_dataset(workspace)
    assert str(store) in str(caught.value)
    shutil.copytree(store / "BASKET", workspace.reels, dirs_exist_ok=True)
    assert build_dataset(workspace).reels == workspace.read("reels")["path"].n_unique()


def test_without_receipts_the_frames_tell(copied):
    workspace, store = copied
    shutil.copytree(store / "BASKET", workspace.reels, dirs_exist_ok=True)
    shutil.rmtree(workspace.private / "receipts")
    build_dataset(workspace)
    path = workspace.root / workspace.read("reels")["path"][0]
    shutil.copy(sorted((workspace.root / "videos").glob("*.mp4"))[0], path)
    with pytest.raises(WorkspaceError, match="Remove the files, and run 'openbasket reels' again"):
        build_dataset(workspace)


def test_a_reel_whose_size_is_not_the_made_ones_is_made_again(copied):
    workspace, store = copied
    reel = next((store / "BASKET").rglob("*.mp4"))
    whole = reel.read_bytes()
    reel.write_bytes(whole[:-1])
    build(workspace, SETTINGS, store=str(store), workers=1, quiet=True)
    assert reel.read_bytes() == whole


def test_a_damaged_receipt_is_none(tmp_path):
    workspace = Workspace(tmp_path / "ws", create=True)
    path = receipt_path(workspace, "p1_L_21_22", 0)
    path.parent.mkdir()
    good = '{"made_of": "a", "place": ".", "size": 7, "sha256": "b"}'
    for text in ("", "[]", "{}", "[" * 100_000, good.replace("7", '"7"'), good.replace('"b"', "1")):
        path.write_text(text)
        assert read_receipt(path) is None
    path.write_text(good)
    assert read_receipt(path) is not None


def test_other_draws_are_told_of_and_verified_by_their_number(copied):
    workspace, store = copied
    shutil.copytree(store / "BASKET", workspace.reels, dirs_exist_ok=True)
    other = replace(SETTINGS, draw=1)
    assert build(workspace, other, workers=1, quiet=True).place == str(
        workspace.root / "BASKET_draw1"
    )
    assert build_dataset(workspace).other_draws == [1]
    told = CliRunner().invoke(app, ["verify", str(workspace.root), "--quiet"]).stdout
    assert "reels of draw 1 (BASKET_draw1/ ...) are looked at with --draw" in told
    report = verify(workspace, draw=1, deep=True, quiet=True)
    assert (report.videos, report.faults, report.other_draws) == (killing.PLAYERS, [], [0])
    reel = sorted((workspace.root / "BASKET_draw1").rglob("*.mp4"))[0]
    content = bytearray(reel.read_bytes())
    content[-1] ^= 1
    reel.write_bytes(content)
    assert verify(workspace, quiet=True).faults == []
    (fault, *_) = verify(workspace, draw=1, deep=True, quiet=True).faults
    assert fault[0] == reel.relative_to(workspace.root).as_posix()
    with pytest.raises(NotFoundError, match=r"no reels of draw 2 .of 0, 1 there are"):
        verify(workspace, draw=2, quiet=True)

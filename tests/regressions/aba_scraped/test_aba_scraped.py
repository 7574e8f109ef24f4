"""Seen in the ABA League of 2021-22: a player under two ids, and threes that read as near shots."""

from __future__ import annotations

import polars as pl
import pytest
from formats.games import made_up_games
from formats.writers import WRITERS

from openbasket.transcripts import import_files
from openbasket.transcripts.box import count_box
from openbasket.workspace import Workspace


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    WRITERS["aba"](made_up_games(tmp_path), folder)
    return folder


def change(folder, stem, frame_to_frame):
    (file,) = folder.glob(f"*{stem}*")
    frame_to_frame(pl.read_parquet(file)).write_parquet(file)


def imported(folder, tmp_path, name):
    ws = Workspace(tmp_path / name, create=True)
    report = import_files("aba", [folder], ws, quiet=True)
    return ws, report


def test_a_person_has_one_id_though_the_plays_have_another(folder, tmp_path):
    sound, _ = imported(folder, tmp_path, "sound")
    (file,) = folder.glob("*play_by_play*")
    who = pl.read_parquet(file)["PLAYER_ID"].drop_nulls().mode().sort()[0]
    other = pl.when(pl.col("PLAYER_ID") == who).then(pl.lit("99001")).otherwise("PLAYER_ID")
    change(folder, "play_by_play", lambda plays: plays.with_columns(PLAYER_ID=other))
    ws, report = imported(folder, tmp_path, "changed")
    assert f"aba 22-23: player aba99001 of the plays is aba{who} in the box score" in report.notes
    assert ws.read("events").equals(sound.read("events"))
    assert ws.read("flags").filter(pl.col("scope") != "note").is_empty()


def test_ids_that_share_no_number_stay_two_people(folder, tmp_path):
    (file,) = folder.glob("*play_by_play*")
    who = pl.read_parquet(file)["PLAYER_ID"].drop_nulls().mode().sort()[0]
    mine = pl.col("PLAYER_ID") == who
    change(
        folder,
        "play_by_play",
        lambda plays: plays.with_columns(
            PLAYER_ID=pl.when(mine).then(pl.lit("99001")).otherwise("PLAYER_ID"),
            PLAYER_NUMBER=pl.when(mine).then(pl.lit("98")).otherwise("PLAYER_NUMBER"),
        ),
    )
    ws, _ = imported(folder, tmp_path, "changed")
    assert "box score" in ws.read("flags")["check"].to_list()


def test_the_box_score_counts_threes_before_the_kind_of_shot(folder, tmp_path):
    sound, _ = imported(folder, tmp_path, "sound")
    missed = pl.col("PLAY_TYPE").str.starts_with("missed") & pl.col("PLAY_TYPE").str.contains(
        "points"
    )
    change(
        folder,
        "play_by_play",
        lambda plays: plays.with_columns(
            PLAY_TYPE=pl.when(missed).then(pl.lit("missed  points")).otherwise("PLAY_TYPE"),
            PLAY_NOTE=pl.when(missed).then(pl.lit("floating jump shot")).otherwise("PLAY_NOTE"),
        ),
    )
    ws, _ = imported(folder, tmp_path, "changed")
    tried = ["game_id", "player_id", "field_goals_2_tried", "field_goals_3_tried"]
    assert (
        count_box(ws.read("events"))
        .select(tried)
        .equals(count_box(sound.read("events")).select(tried))
    )

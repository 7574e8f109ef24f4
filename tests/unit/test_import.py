"""Importing into a workspace that already holds games: nothing known is lost, all tables or none."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import polars as pl
import pytest
from formats.games import made_up_games
from formats.writers import WRITERS

from openbasket.errors import BadInputError
from openbasket.transcripts import ImportOptions, ImportReport, import_files
from openbasket.workspace import BY_SEASON, Workspace

OPTIONS = ImportOptions(league="league", season="22-23", gender="women", region="Europe")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("games")
    games = made_up_games(base)
    assert len(games) > 1
    for number, game in enumerate(games):
        for name in ("slo", "ncaa"):
            (base / name / str(number)).mkdir(parents=True)
            WRITERS[name]([game], base / name / str(number))
    return base


def bring(ws: Workspace, path: Path):
    return import_files("auto", [path], ws, options=OPTIONS, quiet=True)


def test_a_failed_write_changes_no_table(folder, tmp_path, monkeypatch):
    ws = Workspace(tmp_path / "ws", create=True)
    bring(ws, folder / "slo" / "0")
    before = {p: p.read_bytes() for p in ws.private.rglob("*.parquet")}
    writes = 0

    def full(self: pl.DataFrame, *given: object, **told: object) -> None:
        nonlocal writes
        writes += 1
        if writes == 5:
            raise OSError(28, "No space left on device")
        plain(self, *given, **told)  # type: ignore[arg-type]

    plain = pl.DataFrame.write_parquet
    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(Exception, match="No space left"):
        bring(ws, folder / "slo" / "1")
    assert writes == 5
    assert {p: p.read_bytes() for p in ws.private.rglob("*.parquet")} == before
    assert not [*ws.private.rglob(".openbasket-tmp-*")]


def test_imports_at_once_lose_nothing(folder, tmp_path):
    ws = Workspace(tmp_path / "ws", create=True)
    parts = sorted((folder / "slo").iterdir())
    threads = [Thread(target=bring, args=(ws, part)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Workspace(tmp_path / "whole", create=True)
    for part in parts:
        bring(whole, part)
    for table in (*BY_SEASON, "players"):
        assert ws.read(table).equals(whole.read(table)), table


def test_a_game_that_comes_again_with_less_keeps_what_is_known(folder, tmp_path):
    ws = Workspace(tmp_path / "ws", create=True)
    bring(ws, folder / "ncaa" / "0")
    games = ws.read("games").with_columns(video=pl.lit("videos/g.mp4"), date=pl.date(2022, 11, 3))
    ws.write("games", games, "league", "22-23")
    box = ws.read("events").filter(pl.col("player_id").is_not_null()).select(
        "game_id", "team_id", "player_id"
    ).unique(["game_id", "player_id"]).with_columns(points=pl.lit(2, pl.Int16))  # fmt: skip
    ws.write("box_scores", box, "league", "22-23")
    bring(ws, folder / "ncaa" / "0")
    again = ws.read("games")
    assert again["video"].to_list() == ["videos/g.mp4"]
    assert again["date"].is_not_null().all()
    assert ws.read("box_scores").height == box.height
    assert "box score" in ws.read("flags")["check"].to_list()  # two points each cannot be right


def test_files_of_several_seasons_are_not_folded_into_one(tmp_path):
    data = Path(__file__).resolve().parents[1] / "data"
    ws = Workspace(tmp_path / "ws", create=True)
    files = [data / "euroleague", tmp_path / "other"]
    files[1].mkdir()
    for file in (data / "euroleague").iterdir():
        (files[1] / file.name.replace("E2023", "E2021")).write_bytes(file.read_bytes())
    with pytest.raises(BadInputError, match="several seasons"):
        import_files("euroleague", files, ws, options=ImportOptions(season="22-23"), quiet=True)
    assert not ws.seasons("games")


def test_notes_that_seasons_share_are_told_once_and_kept_whole_in_json():
    report = ImportReport(
        remarks=[
            ("", "2 other files were not read: a, b"),
            *((f"cup 2{n}-2{n + 1}", "the files have no dates") for n in range(5)),
            ("cup 20-21", "1,005 rows later than the clock says; put in order"),
            ("cup 21-22", "7 rows later than the clock says; put in order"),
            ("cup 21-22", "game 3 has no boxscore file"),
            ("cup 21-22", "1 row without a clock"),
            ("cup 22-23", "1 row without a clock"),
            ("cup 22-23", "1 row names a team that does not play; it is left out"),
            ("cup 21-22", "12 rows name a team that does not play; they are left out"),
        ]
    )
    assert report.merged_notes() == [
        "2 other files were not read: a, b",
        "5 seasons (cup 20-21, cup 21-22, cup 22-23, ...): the files have no dates",
        "2 seasons (cup 20-21, cup 21-22): 7 to 1,005 rows later than the clock says; put in order",
        "cup 21-22: game 3 has no boxscore file",
        "2 seasons (cup 21-22, cup 22-23): 1 row without a clock",
        "2 seasons (cup 22-23, cup 21-22): 1 to 12 rows name a team that does not play; they are left out",
    ]
    assert len(report.to_json()["notes"]) == len(report.remarks)
    assert report.to_json()["notes"][1] == "cup 20-21: the files have no dates"

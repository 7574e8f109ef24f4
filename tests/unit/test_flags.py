"""Defects of real sources, planted in made-up games: they are read rightly, or flagged."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from formats.games import Game, made_up_games
from formats.writers import WRITERS
from typer.testing import CliRunner

from openbasket import cli
from openbasket.labels.rating import count_season, read_season
from openbasket.tables import BOX_STATS
from openbasket.transcripts import ImportOptions, import_files
from openbasket.transcripts.box import count_box
from openbasket.transcripts.flags import with_names
from openbasket.workspace import Workspace

DATA = Path(__file__).resolve().parents[1] / "data"
OPTIONS = ImportOptions(league="league", season="22-23", gender="men")


@pytest.fixture(scope="module")
def games(tmp_path_factory) -> list[Game]:
    return made_up_games(tmp_path_factory.mktemp("games"))


def written(name: str, games: list[Game], tmp_path: Path) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    WRITERS[name](games, folder)
    return folder


def imported(name: str, folder: Path, tmp_path: Path, **options: Any) -> Workspace:
    ws = Workspace(tmp_path / "ws", create=True)
    import_files(
        name, [folder], ws, options=ImportOptions(**options) if options else OPTIONS, quiet=True
    )
    return ws


def lines(ws: Workspace) -> list[tuple]:
    return sorted(
        tuple(row[s] for s in BOX_STATS) for row in count_box(ws.read("events")).to_dicts()
    )


def test_aba_shots_of_unknown_value_are_told_from_the_score_and_the_box(games, tmp_path):
    sound = lines(
        imported("aba", written("aba", games, tmp_path / _dir(tmp_path, "a")), tmp_path / "a")
    )
    folder = written("aba", games, tmp_path / _dir(tmp_path, "b"))
    file = folder / "play_by_play_22.parquet"
    shots = pl.col("PLAY_TYPE").str.contains("points")
    plays = pl.read_parquet(file).with_columns(
        PLAY_TYPE=pl.when(shots & (pl.int_range(pl.len()) % 7 == 0))
        .then(pl.col("PLAY_TYPE").str.replace(r"\d", ""))
        .otherwise("PLAY_TYPE")
    )
    assert plays["PLAY_TYPE"].is_in(["made  points", "missed  points"]).sum() > 20
    plays.write_parquet(file)
    assert lines(imported("aba", folder, tmp_path / "b")) == sound


def _dir(tmp_path: Path, name: str) -> str:
    (tmp_path / name).mkdir()
    return name


def test_sidearm_halves_of_twenty_minutes(games, tmp_path):
    folder = written("sidearm", games[:1], tmp_path)
    (file,) = folder.iterdir()
    content = json.loads(file.read_text())
    content["Game"] |= {"PeriodsRegulation": 2, "Rules": {"PeriodMinutes": 20, "OTMinutes": 5}}
    for play in content["Plays"]:
        quarter = play["Period"]
        if quarter <= 4:
            play["Period"] = (quarter + 1) // 2
            play["ClockSeconds"] += 600 if quarter % 2 else 0
        else:
            play["Period"] = quarter - 2
    file.write_text(json.dumps(content))
    ws = imported("sidearm", folder, tmp_path)
    game = ws.read("games").row(0, named=True)
    assert (game["periods"], game["period_s"]) == (2, 1200.0)
    played = ws.read("stints").select(
        pl.col("start_clock_s").max(), (pl.col("player_ids").list.len() == 5).all()
    )
    assert played.row(0) == (1200.0, True)
    assert ws.read("flags").filter(pl.col("scope") != "note").is_empty()


def test_sidearm_names_in_capitals_and_cut_short_are_one_person(games, tmp_path):
    folder = written("sidearm", games[:1], tmp_path)
    sound = lines(imported("sidearm", folder, tmp_path / _dir(tmp_path, "x")))
    (file,) = folder.iterdir()
    content = json.loads(file.read_text())
    for n, play in enumerate(content["Plays"]):
        if n % 3 == 0 and play["Player"]["LastName"]:
            play["Player"] |= {k: play["Player"][k].upper() for k in ("FirstName", "LastName")}
        if n % 5 == 0 and play["Player"]["FirstName"]:
            play["Player"]["FirstName"] = play["Player"]["FirstName"][0] + "."
    file.write_text(json.dumps(content))
    assert lines(imported("sidearm", folder, tmp_path / _dir(tmp_path, "y"))) == sound


def test_lnb_overtimes_are_numbered_from_eleven(tmp_path):
    packed = DATA / "atrium" / "fixture_detail_pbp.json.gz"
    content = gzip.decompress(packed.read_bytes()).decode()
    ws = Workspace(tmp_path / "one", create=True)
    import_files("atrium", [packed], ws, options=OPTIONS, quiet=True)
    assert ws.read("events")["period"].max() == 4
    data = json.loads(content)

    def renumbered(node: Any) -> None:
        """The last quarter becomes the first overtime."""
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("periodId", "period") and value in (4, "4"):
                    node[key] = type(value)(11)
                else:
                    renumbered(value)
        elif isinstance(node, list):
            for inner in node:
                renumbered(inner)

    renumbered(data)
    for key in [k for k in _walk(data) if isinstance(k, dict) and "4" in k]:
        key["11"] = key.pop("4")
    file = tmp_path / "overtime.json"
    file.write_text(json.dumps(data))
    ws = Workspace(tmp_path / "two", create=True)
    import_files("atrium", [file], ws, options=OPTIONS, quiet=True)
    assert set(ws.read("events")["period"]) == {1, 2, 3, 5}
    reasons = ws.read("flags").filter(scope="game")["reason"].to_list()
    assert any("no plays in period 4" in reason for reason in reasons)


def _walk(node: Any) -> list[Any]:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [node, *(found for value in inner for found in _walk(value))]


def test_rows_out_of_order_are_put_where_their_clock_says(games, tmp_path):
    sound = lines(imported("acb", written("acb", games, tmp_path), tmp_path / _dir(tmp_path, "x")))
    file = tmp_path / "acb" / "acb_pbp_2223.parquet"
    rows = pl.read_parquet(file).with_row_index("place")
    late = pl.col("action").str.contains("Tiro Libre") & (pl.col("place") % 4 == 0)
    moved = rows.sort(pl.when(late).then(pl.col("place") + 25).otherwise("place")).drop("place")
    moved.write_parquet(file)
    ws = imported("acb", tmp_path / "acb", tmp_path / _dir(tmp_path, "y"))
    assert lines(ws) == sound
    for part in ws.read("events").sort("order").partition_by("game_id", as_dict=True).values():
        clocks = part.group_by("period", maintain_order=True).agg(
            falls=(pl.col("clock_s").diff().fill_null(0) <= 0).all()
        )
        assert clocks["falls"].all()


def test_two_players_of_one_name_are_nobodys(games, tmp_path):
    folder = written("bbref", games[:1], tmp_path)
    (file,) = folder.iterdir()
    text = file.read_text(encoding="utf-8")
    team = [p for p in games[0].lines if p["side"] == "home"]
    one, two = (f"{p['name'][0]}. {p['name'].split()[1]}" for p in team[:2])
    rows = json.loads(text.replace(two, one))
    cells = ["3:00.0", "", "", "0-0", "+2", f"{one} makes 2-pt layup at rim (assist by {one})"]
    rows.insert(20, {"row": 19.5, "cells": cells})
    file.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    ws = imported("bbref", folder, tmp_path, league="nba")
    flags = ws.read("flags").filter(check="names")
    assert flags["scope"].to_list() == ["lineups"]
    assert one in flags["reason"][0]
    assert not ws.read("players")["player_id"].str.contains(one.split()[1].lower()).any()
    goals = ws.read("events").filter(
        pl.col("player_id").is_null() & (pl.col("kind") == "field_goal")
    )
    assert goals.height > 0
    assert goals["team_id"].null_count() == 0


def test_games_without_substitutions_have_no_line_ups(games, tmp_path):
    folder = written("espn", games, tmp_path)
    plays = folder / "play_by_play_2023.csv"
    kept = [row for row in plays.read_text().split("\n") if ",Substitution," not in row]
    plays.write_text("\n".join(kept))
    ws = imported("espn", folder, tmp_path)
    flags = ws.read("flags").filter(check="off court")
    assert set(flags["game_id"]) == set(ws.read("games")["game_id"])
    assert set(flags["scope"]) == {"lineups"}


def test_flagged_games_are_left_out_unless_wanted(games, tmp_path):
    folder = written("espn", games, tmp_path)
    plays = folder / "play_by_play_2023.csv"
    rows = plays.read_text().split("\n")
    first = [n for n, row in enumerate(rows) if ",401700001," in row]
    # A quarter of the first game is lost.
    lost = {n for n in first if ",3," in rows[n] and rows[n].split(",")[5] == "3"}
    assert len(lost) > 50
    plays.write_text("\n".join(row for n, row in enumerate(rows) if n not in lost))
    ws = imported("espn", folder, tmp_path)
    flags = ws.read("flags").filter(scope="game")
    assert set(flags["game_id"]) == {"espn401700001"}
    assert {"periods", "box score"} <= set(flags["check"])
    season = read_season(ws, "league", "22-23")
    counted = set(count_season(season).all["game_id"])
    assert "espn401700001" not in counted
    assert "espn401700001" in set(count_season(season, include_flagged=True).all["game_id"])


@pytest.mark.parametrize(
    ("final_score", "box_says", "scope"),
    [
        ("", "nothing", "game"),
        ("", "our count", "note"),
        ("", "two points more", "game"),
        ("7,7", "nothing", "note"),
        ("9,7", "nothing", "game"),
    ],
)
def test_a_made_field_goal_without_value_keeps_its_game_out(final_score, box_says, scope, tmp_path):
    folder = Path(shutil.copytree(DATA / "generic_csv", tmp_path / "league"))
    h6 = "HER,h6,field_goal,true,"
    events = (folder / "events.csv").read_text()
    (folder / "events.csv").write_text(events.replace(f"{h6}2,", f"{h6},"))
    text = (folder / "games.csv").read_text()
    (folder / "games.csv").write_text(text.replace("9,7", final_score or ","))
    box = folder / "box_scores.csv"
    if box_says == "nothing":
        box.unlink()
    elif box_says == "our count":
        line = "HER,h6,2,1,1,"
        box.write_text(box.read_text().replace(line, "HER,h6,0,0,0,"))
    ws = imported("generic_csv", folder, tmp_path)
    found = ws.read("flags").filter(check="shot values")
    assert found["scope"].to_list() == [scope]
    assert found["reason"].to_list() == ["1 made field goal has no value and counts for no points"]


def test_made_field_goals_with_values_are_not_flagged_and_free_throws_count_one(tmp_path):
    folder = Path(shutil.copytree(DATA / "generic_csv", tmp_path / "league"))
    events = (folder / "events.csv").read_text()
    (folder / "events.csv").write_text(events.replace("free_throw,true,1,", "free_throw,true,,"))
    ws = imported("generic_csv", folder, tmp_path)
    assert set(ws.read("flags")["check"]).isdisjoint({"shot values", "final score", "box score"})


def test_names_stand_beside_the_ids_of_players_alone():
    names = {"P1": "Ana Vale", "7": "Bea Stern", "end": "Nobody"}
    assert with_names("minutes: 7 players off the box score: P1 81 s, 7 -38 s, P2 9 s", names) == (
        "minutes: 7 players off the box score: P1 (Ana Vale) 81 s, 7 (Bea Stern) -38 s, P2 9 s"
    )
    assert with_names(
        "7 of 77 numbers differ: P1 steals 1, box score 7; 7 is not in the box score", names
    ) == (
        "7 of 77 numbers differ: P1 (Ana Vale) steals 1, box score 7; "
        "7 (Bea Stern) is not in the box score"
    )
    for reason in ("7 stints without five (7 s)", "no plays in period 7", "points add up to 7-7"):
        assert with_names(reason, names) == reason


def test_check_prints_names_beside_ids(tmp_path):
    folder = Path(shutil.copytree(DATA / "generic_csv", tmp_path / "league"))
    box = folder / "box_scores.csv"
    box.write_text(box.read_text().replace("HER,h2,3,0,0,1,1,", "HER,h2,9,4,5,7,8,"))
    ws = imported("generic_csv", folder, tmp_path)
    said = CliRunner().invoke(cli.app, ["check", str(ws.root)]).stdout
    assert "h2 (Bea Stern) points 3, box score 9" in said
    told = CliRunner().invoke(cli.app, ["check", str(ws.root), "--json"]).stdout
    assert "Bea Stern" not in told

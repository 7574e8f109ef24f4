"""Files of bigballR and its kin: the words of its plays, names of columns, copies of games."""

from __future__ import annotations

import polars as pl
import pytest
from formats.games import made_up_games
from formats.writers import ncaa

from openbasket.transcripts import ImportOptions, import_files
from openbasket.workspace import Workspace

#: Every word that the package's two parsers know -> what it is.
WORDS = {
    "Two Point Jumper": "field_goal", "Three Point Jumper": "field_goal", "Layup": "field_goal",
    "Dunk": "field_goal", "Hook": "field_goal", "Tip In": "field_goal", "Jumper": "field_goal",
    "Free Throw": "free_throw", "Offensive Rebound": "offensive_rebound",
    "Defensive Rebound": "defensive_rebound", "Turnover": "turnover", "Steal": "steal",
    "Blocked Shot": "block", "Commits Foul": "foul", "Draw Foul": "foul_drawn",
    "Draws Foul": "foul_drawn", "Assist": "assist", "Timeout": "timeout", "30 Second Timeout": "timeout",
    "Team Timeout": "timeout", "Media Timeout": None, "Deadball Rebound": None, "won Jumpball": None,
    "lost Jumpball": None, "held Jumpball": None, "Jumpball (held ball)": None,
    "Jumpball (out of bounds)": None, "Jumpball (lodged ball)": None, "Challenge (Out of Bounds)": None,
    "Challenge (Interference)": None, "Enters Game": None, "Leaves Game": None, "game start": None,
    "period end": None,
}  # fmt: skip


def row(kind, player="ANN.ONE", team="Ravens", **more):
    return {
        "ID": 4700001, "Date": "01/05/2024", "Home": "Ravens", "Away": "Otters", "Half_Status": 1,
        "Time": "15:00", "Home_Score": 0, "Away_Score": 0, "Event_Team": team, "Player_1": player,
        "Player_2": None, "Event_Type": kind, "Event_Result": None, "Shot_Value": None,
        "Event_Description": f"{player} {kind}",
        **{f"{s}.{n}": f"{s}.{n}".upper() for s in ("Home", "Away") for n in range(1, 6)}, **more,
    }  # fmt: skip


def read(tmp_path, rows, suffix="csv", **options):
    (tmp_path / "in").mkdir(exist_ok=True)
    frame = pl.DataFrame(rows, infer_schema_length=None).with_row_index("", offset=1)
    path = tmp_path / "in" / f"pbp.{suffix}"
    frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
    ws = Workspace(tmp_path / "ws", create=True)
    report = import_files(
        "auto", [tmp_path / "in"], ws, options=ImportOptions(**options), quiet=True
    )
    return ws, report


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_package(word, tmp_path):
    ws, _ = read(
        tmp_path,
        [row("Free Throw", "X.Y", Time="19:00"), row(word), row("Dunk", "X.Y", Time="1:00")],
    )
    told = ws.read("events").filter(pl.col("clock_s") == 900)["kind"].to_list()
    assert told == ([WORDS[word]] if WORDS[word] else [])
    assert ws.read("flags").filter(pl.col("check") == "unknown plays").is_empty()


@pytest.mark.parametrize("word", ["ERROR CHECK THE EVENT", "Wrong Basket (2pt Opp. Team)"])
def test_what_the_package_does_not_understand_is_flagged(word, tmp_path):
    ws, _ = read(tmp_path, [row("Free Throw"), row(word)])
    assert word in ws.read("flags").filter(pl.col("check") == "unknown plays")["reason"][0]


@pytest.mark.parametrize(
    "name", ["TEAM", "TEAM.TEAM", " TEAM.TEAM", "TEAM.TEAM 30", "NO_PLAYER", "NA", None]
)
def test_teams_and_nobody_are_no_players(name, tmp_path):
    court = dict.fromkeys((f"{s}.{n}" for s in ("Home", "Away") for n in range(1, 6)), "NO_PLAYER")
    ws, _ = read(tmp_path, [row("Turnover", name, **court)], suffix="parquet")
    events = ws.read("events")
    assert events.select("kind", "team_id", "player_id").rows() == [
        ("turnover", "ncaa-ravens", None)
    ]
    assert ws.read("players").is_empty()
    assert "lineups" in ws.read("flags")["scope"].to_list()


def test_second_player_of_anything_but_a_made_shot_is_flagged(tmp_path):
    rows = [
        row("Layup", Event_Result="made", Shot_Value=2, Player_2="BEA.TWO"),
        row("Turnover", Player_2="BEA.TWO"),
    ]
    ws, _ = read(tmp_path, rows)
    assert ws.read("events")["kind"].to_list() == ["field_goal", "assist", "turnover"]
    assert "Player_2 without a made shot" in ws.read("flags")["reason"].str.join(";").item()


def counts(ws):
    return (
        ws.read("events")
        .group_by("kind", "player_id")
        .len()
        .sort("kind", "player_id", nulls_last=True)
    )


def test_columns_of_other_tools_and_copies_of_a_game(tmp_path):
    """Python's names of the columns, R's row names, and games that both teams' files have."""
    folder = tmp_path / "games"
    folder.mkdir()
    ncaa(made_up_games(tmp_path / "made"), folder)
    frame = pl.read_csv(folder / "pbp.csv", infer_schema=False)
    expected = Workspace(tmp_path / "plain", create=True)
    import_files("auto", [folder], expected, options=ImportOptions(league="ncaa-men"), quiet=True)
    python = {"ID": "game_id", "Date": "game_date", "Half_Status": "period", "Time": "clock"}
    renamed = frame.rename(lambda c: python.get(c, c.lower().replace(".", "_")))
    for name, files in {
        "python": [renamed],
        "underscores": [frame.rename(lambda c: c.replace(".", "_"))],
        "two files": [frame, frame.filter(pl.col("ID") == frame["ID"][0])],
        "one file": [pl.concat([frame, frame])],
    }.items():
        other = tmp_path / name
        other.mkdir()
        for n, one in enumerate(files):
            one.write_parquet(other / f"{n}.parquet")
        ws = Workspace(tmp_path / f"ws {name}", create=True)
        import_files("auto", [other], ws, options=ImportOptions(league="ncaa-men"), quiet=True)
        assert counts(ws).equals(counts(expected)), name

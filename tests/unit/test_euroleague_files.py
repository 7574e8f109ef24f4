"""EuroLeague games in the many ways people keep them: file names, folders, packages' tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from openbasket.errors import BadInputError
from openbasket.transcripts import ImportOptions, import_files
from openbasket.workspace import Workspace

GAME = Path(__file__).resolve().parents[1] / "data" / "euroleague"
ANSWERS = ("PlaybyPlay", "Boxscore", "Header", "Points")
TOLD = ImportOptions(league="euroleague", season="23-24")


def imported(tmp_path: Path, folder: Path, options: ImportOptions | None = None) -> Workspace:
    ws = Workspace(tmp_path / "ws", create=True)
    import_files("auto", [folder], ws, options=options, quiet=True)
    return ws


def rows(ws: Workspace) -> list[tuple]:
    return ws.read("events").drop("game_id", "wall_time", "x_m", "y_m").sort("order").rows()


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> list[tuple]:
    return rows(imported(tmp_path_factory.mktemp("plain"), GAME))


@pytest.mark.parametrize(
    ("layout", "game", "options"),
    [
        ("E2023/{answer}/1.json", "E2023-1", None),
        ("E2023_001/{answer}", "E2023-1", None),
        ("raw/game_1_seasoncode=E2023&{answer}.txt", "E2023-1", None),
        ("eurocup/2023-24/1_{answer}.json", "U2023-1", None),
        ("{answer}.json", "E2023-HER-OWL", TOLD),
        ("x/{answer}.JSON", "E2023-HER-OWL", TOLD),
    ],
)
def test_games_under_other_names(layout, game, options, plain, tmp_path):
    for answer in ANSWERS:
        file = tmp_path / "in" / layout.format(answer=answer)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(GAME / f"E2023_1_{answer}.json", file)
    ws = imported(tmp_path, tmp_path / "in", options)
    assert ws.read("games")["game_id"].to_list() == [game]
    assert ws.read("box_scores").height > 0
    assert rows(ws) == plain


def scored() -> dict:
    """The plays with the running score that real ones have."""
    content = json.loads((GAME / "E2023_1_PlaybyPlay.json").read_text())
    score = {"HER": 0, "OWL": 0}
    for section in ("FirstQuarter", "SecondQuarter", "ThirdQuarter", "ForthQuarter", "ExtraTime"):
        for play in content.get(section) or []:
            points = {"2FGM": 2, "3FGM": 3, "FTM": 1, "DUNK": 2, "LAYUPMD": 2}
            worth = points.get(play["PLAYTYPE"].strip())
            if worth:
                score[play["CODETEAM"].strip()] += worth
                play |= {"POINTS_A": score["HER"], "POINTS_B": score["OWL"]}
    return content


def test_plays_alone_tell_sides_and_score(tmp_path):
    file = tmp_path / "E2023_1_PlaybyPlay.json"
    file.write_text(json.dumps(scored()))
    ws = imported(tmp_path, file)
    game = ws.read("games").row(0, named=True)
    known = imported(tmp_path / "whole", GAME).read("games").row(0, named=True)
    for column in ("home_team_id", "away_team_id", "home_score", "away_score"):
        assert game[column] == known[column]


def test_a_basket_that_is_missing_from_plays_alone_is_flagged(tmp_path):
    content = scored()
    plays = content["FirstQuarter"]
    made = next(i for i, p in enumerate(plays) if p["PLAYTYPE"] in ("2FGM", "3FGM"))
    del plays[made]
    (tmp_path / "E2023_1_PlaybyPlay.json").write_text(json.dumps(content))
    flags = imported(tmp_path, tmp_path / "E2023_1_PlaybyPlay.json").read("flags")
    assert "final score" in flags["check"].to_list()


def test_games_without_a_number_or_season_say_what_to_do(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(GAME / "E2023_1_PlaybyPlay.json", folder / "PlaybyPlay.json")
    with pytest.raises(BadInputError, match=r"(?s)no competition.*no season.*--league euroleague"):
        imported(tmp_path, folder)
    other = (GAME / "E2023_1_PlaybyPlay.json").read_text().replace("OWL", "BAT")
    (folder / "PlaybyPlayB.json").write_text(other)
    with pytest.raises(BadInputError, match="no game number, like"):
        imported(tmp_path, folder, TOLD)


def test_answers_without_plays_say_what_is_missing(tmp_path):
    shutil.copy(GAME / "E2023_1_Boxscore.json", tmp_path)
    with pytest.raises(BadInputError, match="PlaybyPlay beside it"):
        imported(tmp_path, tmp_path / "E2023_1_Boxscore.json")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "game_107.json",
            {"local": {"players": [], "team": {}}, "road": {"players": [], "team": {}}},
        ),
        ("E2023_1_Comparison.json", {"maxA": 8}),
        ("E2023_1_Points.json", {"Rows": []}),
    ],
)
def test_other_answers_alone_say_what_is_missing(name, content, tmp_path):
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(BadInputError, match="answer PlaybyPlay beside it"):
        imported(tmp_path, tmp_path / name)


def test_two_files_of_one_game_are_refused_unless_they_are_the_same(plain, tmp_path):
    folder = tmp_path / "in"
    shutil.copytree(GAME, folder)
    shutil.copytree(GAME, folder / "again")
    assert rows(imported(tmp_path, folder)) == plain
    file = folder / "again" / "E2023_1_PlaybyPlay.json"
    file.write_text(file.read_text().replace("STERN", "STERNE"))
    with pytest.raises(BadInputError, match="the same game as"):
        imported(tmp_path, folder)


def frames(*, names: str) -> dict[str, pl.DataFrame]:
    """The game as data frames of the package euroleague_api (python) or euroleaguer (r)."""
    read = {a: json.loads((GAME / f"E2023_1_{a}.json").read_text()) for a in ANSWERS}
    sections = ("FirstQuarter", "SecondQuarter", "ThirdQuarter", "ForthQuarter", "ExtraTime")
    plays = pl.DataFrame(
        [
            {k: v.strip() if isinstance(v, str) else v for k, v in play.items()} | {"PERIOD": n}
            for n, section in enumerate(sections, start=1)
            for play in read["PlaybyPlay"].get(section) or []
        ],
        infer_schema_length=None,
    )
    box = pl.DataFrame(
        [line for team in read["Boxscore"]["Stats"] for line in team["PlayersStats"]],
        infer_schema_length=None,
    )
    key = (
        {"Season": 2023, "Gamecode": 1}
        if names == "python"
        else {"SeasonCode": "E2023", "GameCode": 1}
    )
    key = [pl.lit(value).alias(name) for name, value in key.items()]
    plays = plays.with_columns(pl.col("MINUTE", "POINTS_A", "POINTS_B", "PERIOD").cast(pl.Float64))
    if names == "python":
        return {
            "pbp": plays.select(*key, pl.lit("RS").alias("Phase"), pl.all()),
            "box": box.select(*key, pl.lit(1).alias("Home"), pl.all()),
            "shots": pl.DataFrame(read["Points"]["Rows"]).select(*key, pl.all()),
        }
    theirs = {"NUMBEROFPLAY": "NumberOfPlay", "CODETEAM": "TeamCode", "PLAYER_ID": "IdPlayer", "PLAYTYPE": "PlayType",
              "PLAYER": "PlayerName", "DORSAL": "Dorsal", "MINUTE": "Minute", "MARKERTIME": "MarkerTime",
              "POINTS_A": "PointsA", "POINTS_B": "PointsB", "PERIOD": "Quarter", "TEAM": "TeamName"}  # fmt: skip
    return {"pbp": plays.rename(theirs).select(*key, pl.all())}


@pytest.mark.parametrize(
    ("names", "suffix"), [("python", "csv"), ("python", "parquet"), ("r", "csv")]
)
def test_tables_of_packages(names, suffix, plain, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, frame in frames(names=names).items():
        if suffix == "csv":
            frame.write_csv(folder / f"{name}_export.csv")
        else:
            frame.write_parquet(folder / f"{name}_export.parquet")
    if names == "python":
        with pytest.raises(BadInputError, match="--league euroleague"):
            imported(tmp_path, folder)
    ws = imported(
        tmp_path, folder, ImportOptions(league="euroleague") if names == "python" else None
    )
    game = ws.read("games").row(0, named=True)
    assert (game["game_id"], game["home_team_id"], game["away_team_id"]) == (
        "E2023-1",
        "HER",
        "OWL",
    )
    assert rows(ws) == plain
    assert (ws.read("box_scores").height > 0) == (names == "python")


def test_a_table_that_repeats_a_game_of_another_is_refused(tmp_path):
    frame = frames(names="r")["pbp"]
    frame.write_csv(tmp_path / "one.csv")
    frame.write_csv(tmp_path / "two.csv")
    with pytest.raises(BadInputError, match=r"stands in .* too"):
        import_files(
            "auto",
            [tmp_path / "one.csv", tmp_path / "two.csv"],
            Workspace(tmp_path / "ws", create=True),
            quiet=True,
        )

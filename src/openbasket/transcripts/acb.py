"""Liga ACB play-by-play in Spanish, as the R package BAwiR gets it: one table of ``period, player, action``.

There are no ids and no dates: a player is team and name, the season comes from ``--season`` or from the end
of the file's name (``…_2223``). The home side is the one whose score moves with ``local_score``. Rows of a
line-up (``Quinteto inicial``) name the starters where they are there. A blocked shot has a row of its own
after the missed shot, and so has the turnover of an offensive foul.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, read_table
from openbasket.transcripts.names import identifier, normal_name, slug, text
from openbasket.transcripts.plays import assemble, clock_seconds, sides_from_scores

__all__ = ["FILES", "matches", "read"]

FILES = "ACB play-by-play table (period, time_point, player, action, local_score, visitor_score)"
PLAYS = (
    "period", "time_point", "player", "action", "local_score", "visitor_score", "game_code", "team",
)  # fmt: skip
#: Beginning of an action, in lower case and without accents -> kind; the first that fits counts.
KINDS = {
    "triple": "field_goal",
    "mate": "field_goal",
    "tiro de 2": "field_goal",
    "tiro libre": "free_throw",
    "rebote ofensivo": "offensive_rebound",
    "rebote defensivo": "defensive_rebound",
    "asistencia": "assist",
    "perdida": "turnover",
    "recuperacion": "steal",
    "tapon recibido": "blocked",
    "tapon": "block",
    "falta recibida": "foul_drawn",
    "falta": "foul",
    "tecnica al": "",  # of the coach or the bench
    "tecnica": "foul",
    "antideportiva": "foul",
    "descalificante al": "",
    "descalificante": "foul",
    "entra a pista": "sub_in",
    "sale de la pista": "sub_out",
    "tiempo muerto": "timeout",
    "quinteto inicial": "",
    "salto": "",
    "ir": "",
    "instant replay": "",
    "inicio": "period_start",
    "fin": "period_end",
}
STARTS = "quinteto inicial"


def matches(seen: Peek) -> bool:
    """Whether a file is an ACB table."""
    return seen.has(*PLAYS)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each season.

    Raises:
        BadInputError: damaged files, no season, no game whose home side can be told.
    """
    parts = []
    for file in files:
        season = options.season or _season(file)
        if season is None:
            problem = Problem(str(file), None, "season", "none", "--season, such as 22-23")
            raise BadInputError([problem])
        parts.append(read_table(file, PLAYS).with_columns(season=pl.lit(season)))
    raw = pl.concat(parts).with_columns(
        game_id=identifier("game_code", "acb"), team=text("team"), name=text("player")
    )
    names = pl.concat([raw["team"], raw["name"]]).drop_nulls().unique()
    slugs = {name: slug(name) for name in names if normal_name(name)}
    raw = raw.with_columns(
        team_id=pl.concat_str(
            [pl.lit("acb-"), pl.col("team").replace_strict(slugs, default=None, return_dtype=pl.String)]
        ),
        _key=pl.col("name").replace_strict(slugs, default=None, return_dtype=pl.String),
    )  # fmt: skip
    plays = _plays(raw)
    games = _games(raw, str(files[0].parent))
    league, gender, region = options.place("acb")
    for (season,), part in games.sort("season").partition_by("season", as_dict=True).items():
        rows = plays.join(part.select("game_id"), on="game_id", how="semi", maintain_order="left")
        yield assemble(
            "acb",
            league,
            str(season),
            part,
            rows.filter(~pl.col("starts")),
            gender=gender,
            region=region,
            box=rows.filter("starts").select(
                "game_id", "team_id", "player_id", "name", starter=pl.lit(True)
            ),
            notes=["the files have no dates"],
        )


def _season(file: Path) -> str | None:
    """``…_2223.parquet`` → ``22-23``."""
    found = re.search(r"(\d\d)[-_]?(\d\d)$", file.stem)
    if not found or (int(found[1]) + 1) % 100 != int(found[2]):
        return None
    return f"{found[1]}-{found[2]}"


def _games(raw: pl.DataFrame, where: str) -> pl.DataFrame:
    scores = raw.select(
        "game_id", "team_id",
        home=text("local_score").cast(pl.Float64, strict=False).forward_fill().over("game_id"),
        away=text("visitor_score").cast(pl.Float64, strict=False).forward_fill().over("game_id"),
    ).drop_nulls()  # fmt: skip
    sides = sides_from_scores(scores)
    if sides.is_empty():
        given = "no game whose score moves for both teams"
        raise BadInputError([Problem(where, None, "local_score", given, "a whole game")])
    last = scores.group_by("game_id").agg(
        home_score=pl.col("home").max().cast(pl.Int16, strict=False),
        away_score=pl.col("away").max().cast(pl.Int16, strict=False),
    )
    names = raw.select("team_id", "team").drop_nulls().unique("team_id", keep="first")
    seasons = raw.select("game_id", "season").unique("game_id", keep="first", maintain_order=True)
    return (
        sides.join(last, on="game_id")
        .join(seasons, on="game_id", maintain_order="left")
        .join(names.rename({"team_id": "home_team_id", "team": "home_team"}), on="home_team_id", how="left")
        .join(names.rename({"team_id": "away_team_id", "team": "away_team"}), on="away_team_id", how="left")
    )  # fmt: skip


def _plays(raw: pl.DataFrame) -> pl.DataFrame:
    actions = {action: normal_name(action) for action in raw["action"].drop_nulls().unique()}
    kinds = {
        action: next((kind for start, kind in KINDS.items() if plain.startswith(start)), None)
        for action, plain in actions.items()
    }
    action = pl.col("action")
    plain = action.replace_strict(actions, default="", return_dtype=pl.String)
    kind = action.replace_strict(kinds, default=None, return_dtype=pl.String)
    period = text("period").str.to_uppercase().str.extract_groups(r"^(\d{1,2})\s*(C|PR|P|OT)?$")
    number = period.struct[0].cast(pl.Int8, strict=False)
    extra = period.struct[1].is_in(["PR", "P", "OT"])
    shot = kind.is_in(["field_goal", "free_throw"])
    # A made dunk is written ``Mate``, without more.
    made = plain.str.contains("anotado") | (plain == "mate")
    return raw.select(
        "game_id",
        "team_id",
        "name",
        period=pl.when(extra).then(number + 4).otherwise(number),
        clock_s=clock_seconds(text("time_point")),
        kind=pl.when(kind != "").then(kind),
        player_id=pl.when(pl.col("name") != pl.col("team")).then(
            pl.concat_str(["team_id", pl.lit("-"), "_key"])
        ),
        made=pl.when(shot).then(made),
        value=pl.when(kind == "field_goal").then(
            pl.when(plain.str.starts_with("triple")).then(3).otherwise(2)
        ),
        unknown=pl.when(kind.is_null() & action.is_not_null()).then(action),
        starts=plain.str.starts_with(STARTS),
    )

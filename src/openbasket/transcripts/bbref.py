"""basketball-reference's play-by-play pages: the cells of their tables, as a table or as JSON.

A row has the clock, the visitors' text, their points, the score, the home side's points and text; the first
row names the teams. There are no ids (a player is team, initial and last name), no periods (one starts
where the clock jumps up), no starters and no changes between periods, and most fouls stand on the side of who
was fouled, so that who fouls is placed by his other rows. Two players of a team may
share a name: where one of them passes to, or comes in for, the other, the name is nobody's. What stands under
it counts for the team alone, and the game's line-ups are flagged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, load_json, peek, read_table
from openbasket.transcripts.names import slug, text
from openbasket.transcripts.plays import assemble, clock_seconds, flag_frame, season_name

__all__ = ["FILES", "matches", "read"]

FILES = "basketball-reference play-by-play cells, JSON or a table (and its list of games)"
CELLS = ("cell0", "cell1", "cell2", "cell3", "cell4", "cell5")
PLAYS = ("_file", "row", *CELLS)
GAMES = ("boxscore_url", "visitor_team", "home_team", "visitor_score", "home_score")
#: A clock that is this much above the one before it belongs to the next period (s).
JUMP_S = 60.0
#: Fouls that stand on the side of who commits them.
OWN_SIDE = r"(?i)^(?:offensive|loose ball|technical|flagrant)"
REVIEW = r"^\s*Instant Replay"
IGNORED = (
    r"(?i)^(?:jump ball|instant replay|violation|(?:start|end) of|.* ejected|.*\bteam (?:foul|rebound)"
    r"|def 3 sec|.*tech(?:nical)? foul|(?:defensive|offensive) rebound by team)|timeout"
)


def matches(seen: Peek) -> bool:
    """Whether a file holds the cells of a page, or the list of games."""
    return seen.has(*PLAYS) or seen.has(*GAMES) or seen.has("[].row", "[].cells")


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each season.

    Raises:
        BadInputError: damaged files, no plays; no game has a name that begins with a date, and a first
            row with its teams.
    """
    cells, lists = [], []
    for file in files:
        seen = peek(file)
        if seen.kind == "json":
            cells.append(_document(file))
        elif seen.has(*PLAYS):
            cells.append(read_table(file, PLAYS))
        else:
            lists.append(read_table(file, GAMES))
    if not cells:
        raise BadInputError([Problem(str(files[0].parent), None, None, "no file of plays", FILES)])
    raw = pl.concat(cells).with_columns(
        game_id=pl.concat_str([pl.lit("bbref"), text("_file").str.replace_all(r"[^A-Za-z0-9._-]+", "_")]),
        row=pl.col("row").cast(pl.Float64, strict=False),
    )  # fmt: skip
    raw = raw.unique(["game_id", "row"], keep="first", maintain_order=True).sort(
        "game_id", "row", maintain_order=True
    )
    games = _games(raw, lists, str(files[0].parent))
    lost = sorted(set(raw["game_id"].drop_nulls()) - set(games["game_id"]))
    notes = [f"games that name no teams are left out: {', '.join(lost)}"] if lost else []
    plays, flags = _plays(raw, games)
    for (season,), part in games.sort("season").partition_by("season", as_dict=True).items():
        league, gender, region = options.place("nba")
        mine = part.select("game_id")
        rows = plays.join(mine, on="game_id", how="semi", maintain_order="left")
        yield assemble(
            "bbref",
            league,
            options.season or str(season),
            part,
            rows,
            gender=gender,
            region=region,
            free_throws_at_foul=True,
            flags=flags.join(mine, on="game_id", how="semi"),
            notes=notes,
        )


def _document(path: Path) -> pl.DataFrame:
    """Rows of ``[{"row": 1, "cells": [...]}, ...]``; the file's name is the game's."""
    content = load_json(path)
    rows = [
        [path.stem.removesuffix("_pbp"), str(row.get("row")), *(row["cells"] + [""] * 6)[:6]]
        for row in (content if isinstance(content, list) else [])
        if isinstance(row, dict) and isinstance(row.get("cells"), list)
    ]
    clean = [[c if isinstance(c, str) else None for c in row] for row in rows]
    return pl.DataFrame(clean, schema=dict.fromkeys(PLAYS, pl.String), orient="row")


def _games(raw: pl.DataFrame, lists: list[pl.DataFrame], where: str) -> pl.DataFrame:
    heads = raw.filter(text("cell0") == "Time").select(
        "game_id", away_short=text("cell1"), home_short=text("cell5")
    )
    score = text("cell3").str.extract_groups(r"^(\d+)-(\d+)$")
    last = raw.group_by("game_id", maintain_order=True).agg(
        date=text("_file").first().str.slice(0, 8).str.to_date("%Y%m%d", strict=False),
        away_score=score.struct[0].cast(pl.Int16, strict=False).max(),
        home_score=score.struct[1].cast(pl.Int16, strict=False).max(),
        longest=clock_seconds(text("cell0")).max(),
    )
    games = last.join(
        heads.unique("game_id", keep="first"), on="game_id", how="left", maintain_order="left"
    )
    listed = (
        pl.concat(lists) if lists else pl.DataFrame(schema=dict.fromkeys(GAMES, pl.String))
    ).select(
        pl.concat_str(
            [pl.lit("bbref"), text("boxscore_url").str.extract(r"([^/]+?)(?:\.html)?$")]
        ).alias("game_id"),
        away_full=text("visitor_team"),
        home_full=text("home_team"),
        away_final=text("visitor_score").cast(pl.Float64, strict=False).cast(pl.Int16, strict=False),
        home_final=text("home_score").cast(pl.Float64, strict=False).cast(pl.Int16, strict=False),
    )  # fmt: skip
    games = games.join(
        listed.drop_nulls("game_id").unique("game_id", keep="first"),
        on="game_id", how="left", maintain_order="left",
    )  # fmt: skip
    games = games.drop_nulls(["date", "away_short", "home_short"])
    if games.is_empty():
        allowed = "names such as 202512280LAC and a first row Time, visitors, home"
        raise BadInputError([Problem(where, None, None, "no game with date and teams", allowed)])
    start = pl.col("date").dt.year() - (pl.col("date").dt.month() < 9).cast(pl.Int32)
    years = {year: season_name(year) for year in games.select(start).to_series().unique()}
    return games.select(
        "game_id",
        "date",
        *(
            pl.col(f"{side}_short")
            .map_elements(lambda name: f"bbref-{slug(name)}", return_dtype=pl.String)
            .alias(f"{side}_team_id")
            for side in ("home", "away")
        ),
        home_team=pl.coalesce("home_full", "home_short"),
        away_team=pl.coalesce("away_full", "away_short"),
        home_score=pl.coalesce("home_final", "home_score"),
        away_score=pl.coalesce("away_final", "away_score"),
        season=start.replace_strict(years, return_dtype=pl.String),
        period_s=pl.when(pl.col("longest") > 600).then(720.0).otherwise(600.0),
        overtime_s=300.0,
    )


def _plays(raw: pl.DataFrame, games: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row for each player of a play, and the flags of games with names that two players share."""
    clock = clock_seconds(text("cell0"))
    rows = (
        raw.join(games.select("game_id"), on="game_id", how="semi", maintain_order="left")
        .with_columns(clock_s=clock)
        .drop_nulls("clock_s")
        # Reviews are noted with any clock.
        .filter(~pl.any_horizontal(pl.col("cell1", "cell5").str.contains(REVIEW).fill_null(False)))
        .with_columns(rise=pl.col("clock_s").diff().over("game_id") > JUMP_S)
        .with_columns(period=1 + pl.col("rise").fill_null(False).cum_sum().over("game_id"))
        .with_row_index("play")
    )
    said = pl.concat(
        rows.select("game_id", "play", "period", "clock_s", side=pl.lit(side), said=text(cell))
        for side, cell in (("away", "cell1"), ("home", "cell5"))
    ).drop_nulls("said")
    said = said.with_columns(pl.col("said").str.replace_all("\u00a0", " ")).sort("play", "side")
    other = (
        pl.when(pl.col("side") == "home").then(pl.lit("away")).otherwise(pl.lit("home"))
    )  # of the side whose cell it is

    def part(pattern: str, kind: str, side: pl.Expr, at: int, **more: pl.Expr) -> pl.DataFrame:
        """Rows in whose text the pattern is found; its first group is the player."""
        found = pl.col("said").str.extract(pattern)
        return said.select(
            "game_id", "play", "period", "clock_s", name=found, kind=pl.lit(kind), side=side,
            said="said", part=pl.lit(at), **more,
        ).drop_nulls("name")  # fmt: skip

    own = pl.col("side")
    made = pl.col("said").str.contains(" makes ")
    value = pl.col("said").str.extract(r" ([23])-pt ").cast(pl.Int8, strict=False)
    heave = pl.col("said").str.contains(" heave shot")
    fouled = pl.when(pl.col("said").str.contains(OWN_SIDE)).then(own).otherwise(other)
    foul = r"^(?:Shooting|Personal|Loose ball|Offensive|Clear path|Away from play|Inbound|Flagrant|Double)"
    frame = pl.concat(
        [
            part(
                r"^(.+?) (?:makes|misses) (?:[23]-pt|heave)", "field_goal", own, 0,
                made=made, value=pl.when(heave).then(3).otherwise(value),
            ),
            part(
                r"^(.+?) (?:makes|misses) (?:\w+ (?:path )?)?free throw", "free_throw", own, 0,
                made=made,
            ),
            part(r"\(assist by (.+?)\)", "assist", own, 1),
            part(r"\(block by (.+?)\)", "block", other, 1),
            part(r"^(.+?) misses .*\(block by ", "blocked", own, 2),
            part(r"^Offensive rebound by (.+)$", "offensive_rebound", own, 0),
            part(r"^Defensive rebound by (.+)$", "defensive_rebound", own, 0),
            part(r"^Turnover by (.+?)(?: \(|$)", "turnover", own, 0),
            part(r"; steal by (.+?)\)", "steal", other, 1),
            part(foul + r"[\w ]*?\bfoul\b[\w ]* by (.+?)(?: \(|$)", "foul", fouled, 0),
            part(r"foul[\w ]* by .*\(drawn by (.+?)\)", "foul_drawn", own, 1),
            part(r"^(.+?) enters the game for ", "sub_in", own, 0),
            part(r" enters the game for (.+)$", "sub_out", own, 1),
            part(r"^(.+?) (?:full|20 second)? ?timeout", "timeout", own, 0),
        ],
        how="diagonal_relaxed",
    )  # fmt: skip
    strange = said.join(frame.select("play", "side").unique(), on=["play", "side"], how="anti")
    strange = strange.join(
        frame.select("play", "said").unique(), on=["play", "said"], how="anti"
    ).filter(
        ~pl.col("said").str.contains(IGNORED)
        & pl.col("said").str.contains(r" by | makes | misses ")
    )
    frame = pl.concat(
        [
            frame.with_columns(
                name=pl.when(~pl.col("name").is_in(["Team"]) & (pl.col("kind") != "timeout")).then("name")
            ),
            strange.select(
                "game_id", "play", "period", "clock_s", "side",
                unknown=pl.col("said").str.extract(r"^(.*?) by |( makes | misses )").fill_null("shot"),
                part=pl.lit(0),
            ),
        ],
        how="diagonal_relaxed",
    ).sort("play", "part", maintain_order=True)  # fmt: skip
    frame = _placed(frame).join(
        games.select("game_id", "home_team_id", "away_team_id", "season"),
        on="game_id", maintain_order="left",
    )  # fmt: skip
    team = pl.when(pl.col("side") == "home").then("home_team_id").otherwise("away_team_id")
    frame = frame.with_columns(team_id=team)
    shared = _shared_names(frame)
    frame = frame.join(
        shared, on=["season", "team_id", "name"], how="left", maintain_order="left"
    ).with_columns(pl.col("shared").fill_null(False))
    keys = {name: slug(name) for name in frame["name"].drop_nulls().unique()}
    changes = pl.col("kind").is_in(["sub_in", "sub_out"])
    flags = [
        (game, "names", "lineups", f"two players of {team} are written {', '.join(sorted(names))}")
        for game, team, names in frame.filter("shared")
        .group_by("game_id", "team_id")
        .agg(pl.col("name").unique())
        .sort("game_id", "team_id")
        .rows()
    ]
    known = frame.filter(~(pl.col("shared") & changes)).with_columns(
        player_id=pl.when(~pl.col("shared") & pl.col("name").is_not_null()).then(
            pl.concat_str("team_id", pl.lit("-"), pl.col("name").replace_strict(
                keys, default=None, return_dtype=pl.String))
        )
    )  # fmt: skip
    return known.drop("part", "season"), flag_frame(flags)


def _placed(frame: pl.DataFrame) -> pl.DataFrame:
    """Who fouls plays for the side on which his shots and rebounds stand, if he has any on one alone."""
    sure = frame.filter(pl.col("kind").is_in(["field_goal", "free_throw", "sub_in", "sub_out"]) |
                        pl.col("kind").str.ends_with("rebound")).drop_nulls("name")  # fmt: skip
    sides = (
        sure.group_by("game_id", "name")
        .agg(pl.col("side").unique())
        .filter(pl.col("side").list.len() == 1)
        .select("game_id", "name", usual=pl.col("side").list.first())
    )
    moved = pl.col("kind").is_in(["foul", "foul_drawn"]) & pl.col("usual").is_not_null()
    return frame.join(
        sides, on=["game_id", "name"], how="left", maintain_order="left"
    ).with_columns(side=pl.when(moved).then("usual").otherwise("side"))


def _shared_names(frame: pl.DataFrame) -> pl.DataFrame:
    """Names of two players of a team: one assists, or comes in for, the other."""
    key = ["play", "name"]
    pairs = [("field_goal", "assist"), ("sub_in", "sub_out")]
    found = [
        frame.filter(pl.col("kind") == first)
        .drop_nulls("name")
        .join(frame.filter(pl.col("kind") == second).select(key), on=key)
        .select("season", "team_id", "name")
        for first, second in pairs
    ]
    return pl.concat(found).unique().with_columns(shared=pl.lit(True))

"""basketball-reference's play-by-play pages: saved as HTML, or what others made of them.

Their tables' cells (JSON, CSV, parquet, or the CSV that ``pandas.read_html`` makes of a page), the season
tables with ``AwayPlay`` and ``HomePlay``, and the rows of the web scraper's ``play_by_play`` (``description``
and ``relevant_team``). A file of one game that does not name it is named by it (``202512280LAC``).

A row has the clock, the visitors' text, their points, the score, the home side's points and text; the first
row names the teams. There are no periods (one starts where the clock jumps up), no starters and no changes
between periods, and most fouls stand on the side of who was fouled, so that who fouls is placed by his
other rows. HTML has ids of players; elsewhere a player is team, initial and last name, and two players of a
team may share these: where one of them passes to, or comes in for, the other, the name is nobody's. What
stands under it counts for the team alone, and the game's line-ups are flagged.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, load_json, peek, read_table
from openbasket.transcripts.names import decimal, slug, text
from openbasket.transcripts.plays import assemble, clock_seconds, flag_frame, season_name

__all__ = ["FILES", "matches", "read"]

FILES = (
    "basketball-reference play-by-play pages (HTML, or tables made of them), and a list of games"
)
CELLS = ("cell0", "cell1", "cell2", "cell3", "cell4", "cell5")
PLAYS = ("_file", "row", *CELLS)
#: Tables of whole seasons.
SEASONS = (
    "URL", "SecLeft", "AwayTeam", "AwayPlay", "AwayScore", "HomeTeam", "HomePlay", "HomeScore",
)  # fmt: skip
SCRAPED = (
    "away_score", "away_team", "description", "home_score", "home_team", "relevant_team",
    "remaining_seconds_in_period",
)  # fmt: skip
#: First lines of the CSV that pandas makes of a page: ``1st Q`` above the names, or these alone.
PAGE_CSV = re.compile(r"^(?:[^\n]*1st Q[^\n]*\n)?[^\n]*\bTime,[^\n]*,Score,", re.MULTILINE)
GAME = re.compile(r"(?<!\d)\d{9}[A-Z]{3}(?![A-Z])")
#: Between a player's id and his name, in the texts made of HTML.
MARK = "\x1f"
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
    if seen.kind == "xml":
        return "basketball-reference.com" in seen.text.lower() or 'id="pbp"' in seen.text
    if seen.kind == "csv" and PAGE_CSV.match(seen.text):
        return True
    tables = (PLAYS, GAMES, SEASONS, SCRAPED, ("[].row", "[].cells"))
    return any(seen.has(*columns) for columns in tables)


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
        elif seen.kind == "xml":
            cells.append(_page(file))
        elif seen.has(*SEASONS):
            cells.append(_season(read_table(file, SEASONS)))
        elif seen.has(*SCRAPED):
            cells.append(_scraped(read_table(file, SCRAPED), file))
        elif seen.has(*GAMES):
            lists.append(read_table(file, GAMES))
        elif not seen.has(*PLAYS):
            cells.append(_page_csv(file))
        else:
            cells.append(read_table(file, PLAYS))
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
    seasons = games.sort("league", "season").partition_by("league", "season", as_dict=True)
    for (name, season), part in seasons.items():
        league, gender, region = options.place(str(name))
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
        [_name(path.stem), str(row.get("row")), *(row["cells"] + [""] * 6)[:6]]
        for row in (content if isinstance(content, list) else [])
        if isinstance(row, dict) and isinstance(row.get("cells"), list)
    ]
    clean = [[c if isinstance(c, str) else None for c in row] for row in rows]
    return pl.DataFrame(clean, schema=dict.fromkeys(PLAYS, pl.String), orient="row")


def _cells(rows: Sequence[Sequence[str | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(PLAYS, pl.String), orient="row")


def _name(text: str) -> str:
    """The game that a name or an address tells, else the text itself."""
    found = GAME.search(text)
    return found[0] if found else text


class _Page(HTMLParser):
    """The rows of the table ``pbp``; players with their ids."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "table":
            self.inside = told.get("id") == "pbp"
        elif self.inside and tag == "tr":
            self.rows.append([])
        elif self.inside and tag in ("td", "th") and self.rows:
            self.cell = []
        elif self.cell is not None and tag == "a":
            player = re.search(r"/players/(?:\w/)?([\w.'-]+?)\.html", told.get("href") or "")
            self.cell += [f"{player[1]}{MARK}"] if player else []

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self.cell is not None:
            self.rows[-1].append(" ".join("".join(self.cell).split(" ")).strip())
            self.cell = None
        elif tag == "table":
            self.inside = False


def _page(path: Path) -> pl.DataFrame:
    """The cells of a page saved as HTML; the game is that of its address, or of the file's name."""
    content = path.read_bytes().decode("utf-8-sig", errors="replace")
    page = _Page()
    page.feed(re.sub(r"<!--|-->", "", content))  # the site hides tables in comments
    if not page.rows:
        allowed = "a page boxscores/pbp/... with the table 'pbp'"
        raise BadInputError([Problem(str(path), None, "pbp", "no such table", allowed)])
    address = re.search(r"boxscores/pbp/(\w{12})\.html", content)
    name = address[1] if address else _name(path.stem)
    wnba = "wnba-" if "/wnba/boxscores/" in content else ""
    return _cells([[wnba + name, str(n), *(r + [""] * 6)[:6]] for n, r in enumerate(page.rows)])


def _page_csv(path: Path) -> pl.DataFrame:
    """The cells of a page as pandas writes them: what spans the columns stands in each of them."""
    content = path.read_bytes().decode("utf-8-sig", errors="replace")
    rows = list(csv.reader(io.StringIO(content)))
    at = next(row.index("Time") for row in rows if "Time" in row and "Score" in row)
    found = []
    for number, row in enumerate(rows):
        cells = (row[at:] + [""] * 6)[:6]
        if cells[0] != "Time" and cells[1] == cells[5]:
            cells[2:] = [""] * 4
        found.append([_name(path.stem), str(number), *cells])
    return _cells(found)


def _heads(plays: pl.DataFrame) -> pl.DataFrame:
    """Plays with ``away`` and ``home`` as cells, a row with the teams before each game."""
    rows = plays.with_row_index("row", offset=1).with_columns(pl.col("row").cast(pl.String))
    heads = rows.unique("_file", keep="first").select(
        "_file", row=pl.lit("0"), cell0=pl.lit("Time"), cell1="away", cell5="home"
    )
    left = pl.col("left").cast(pl.Float64, strict=False)
    rows = rows.with_columns(
        cell0=pl.format("{}:{}", (left // 60).cast(pl.Int32), left % 60),
        cell3=pl.concat_str("away_score", pl.lit("-"), "home_score"),
    )
    return pl.concat([heads, rows], how="diagonal").select(
        (
            pl.col(c) if c in ("_file", "row", "cell0", "cell1", "cell3", "cell5") else pl.lit("")
        ).alias(c)
        for c in PLAYS
    )


def _season(table: pl.DataFrame) -> pl.DataFrame:
    """Cells of a table of whole seasons."""
    return _heads(
        table.select(
            _file=text("URL").str.extract(r"(\w+)(?:\.html)?$"), left="SecLeft", away="AwayTeam",
            home="HomeTeam", cell1="AwayPlay", cell5="HomePlay",
            **{
                f"{side}_score": text(f"{side.title()}Score").str.replace(r"\.0+$", "")
                for side in ("away", "home")
            },
        )
    )  # fmt: skip


def _scraped(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Cells of the web scraper's rows, of one game."""
    here = {side: text("relevant_team") == text(f"{side}_team") for side in ("away", "home")}
    return _heads(
        table.select(
            _file=pl.lit(_name(path.stem)), left="remaining_seconds_in_period", away="away_team",
            home="home_team", away_score="away_score", home_score="home_score",
            cell1=pl.when(~here["home"].fill_null(False)).then("description"),
            cell5=pl.when(here["home"]).then("description"),
        )
    )  # fmt: skip


def _games(raw: pl.DataFrame, lists: list[pl.DataFrame], where: str) -> pl.DataFrame:
    heads = raw.filter(text("cell0") == "Time").select(
        "game_id", away_short=text("cell1"), home_short=text("cell5")
    )
    score = text("cell3").str.extract_groups(r"^(\d+)-(\d+)$")
    last = raw.group_by("game_id", maintain_order=True).agg(
        date=text("_file").first().str.extract(r"(\d{8})").str.to_date("%Y%m%d", strict=False),
        league=pl.when(text("_file").first().str.starts_with("wnba-"))
        .then(pl.lit("wnba"))
        .otherwise(pl.lit("nba")),
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
        away_final=decimal("visitor_score").cast(pl.Int16, strict=False),
        home_final=decimal("home_score").cast(pl.Int16, strict=False),
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
        "league",
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
        period_s=pl.when(pl.col("longest") > 720)  # the WNBA's halves, until 2005
        .then(1200.0)
        .when(pl.col("longest") > 600)
        .then(720.0)
        .otherwise(600.0),
        periods=pl.when(pl.col("longest") > 720).then(2).otherwise(4),
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
    said = said.with_columns(pl.col("said").str.replace_all("\u00a0", " ", literal=True))
    said = said.sort("play", maintain_order=True).with_row_index("line")
    other = (
        pl.when(pl.col("side") == "home").then(pl.lit("away")).otherwise(pl.lit("home"))
    )  # of the side whose cell it is

    def part(pattern: str, kind: str, side: pl.Expr, at: int, **more: pl.Expr) -> pl.DataFrame:
        """Rows in whose text the pattern is found; its first group is the player."""
        found = said["said"].str.extract(pattern)
        return said.filter(found.is_not_null()).select(
            "line", "game_id", "play", "period", "clock_s",
            name=found.drop_nulls().str.strip_chars(), kind=pl.lit(kind), side=side, said="said",
            part=pl.lit(at), **more,
        )  # fmt: skip

    own = pl.col("side")
    made = pl.col("said").str.contains(" makes ")
    value = pl.col("said").str.extract(r" ([23])-pt ").cast(pl.Int8, strict=False)
    heave = pl.col("said").str.contains(" heave shot")
    fouled = pl.when(pl.col("said").str.contains(OWN_SIDE)).then(own).otherwise(other)
    foul = (
        r"^(?:Shooting|Personal|Loose ball|Offensive|Clear path|Away from play|Inbound|Flagrant|Transition"
        r"|Punching|Elbow|Double personal)"
    )
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
            part(r"^Turnover by (.*?) ?(?:\(|$)", "turnover", own, 0),
            part(r"; steal by (.+?)\)", "steal", other, 1),
            part(foul + r"[\w ]*?\bfoul\b[\w ]* by (.+?)(?: and | \(|$)", "foul", fouled, 0),
            part(r"^Double personal foul by .+? and (.+?)(?: \(|$)", "foul", own, 1),
            part(r"foul[\w ]* by .*\(drawn by (.+?)\)", "foul_drawn", own, 1),
            part(r"^(.+?) enters the game for ", "sub_in", own, 0),
            part(r" enters the game for (.+)$", "sub_out", own, 1),
            part(r"^(.+?) (?:full|20 second)? ?timeout", "timeout", own, 0),
        ],
        how="diagonal_relaxed",
    )  # fmt: skip
    strange = said.join(frame.select("line"), on="line", how="anti", maintain_order="left").filter(
        ~pl.col("said").str.contains(IGNORED)
        & pl.col("said").str.contains(r" by | makes | misses ")
    )
    for same in ("side", "said"):  # in a row of the same play
        strange = strange.join(frame.select("play", same), on=["play", same], how="anti")
    frame = pl.concat(
        [
            frame.drop("line", "said").with_columns(
                name=pl.when(
                    ~pl.col("name").is_in(["Team", ""]) & (pl.col("kind") != "timeout")
                ).then("name")
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
    told = pl.col("name").str.split_exact(MARK, 1)
    marked = told.struct[1].is_not_null()
    by_name = pl.col("name").replace_strict(keys, default=None, return_dtype=pl.String)
    known = frame.filter(~(pl.col("shared") & changes)).with_columns(
        player_id=pl.when(~pl.col("shared") & pl.col("name").is_not_null()).then(
            pl.when(marked)
            .then(pl.concat_str(pl.lit("bbref-"), told.struct[0]))
            .otherwise(pl.concat_str("team_id", pl.lit("-"), by_name))
        ),
        name=pl.when(marked).then(told.struct[1]).otherwise("name"),
    )
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

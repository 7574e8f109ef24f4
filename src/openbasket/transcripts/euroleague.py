"""EuroLeague and EuroCup: the live API's JSON, and the same flattened to parquet or CSV.

Live API: files ``E2022_100_PlaybyPlay.json``, ``..._Boxscore.json``, ``..._Header.json`` and
``..._Points.json`` (the last is optional: places and wall clock). Flattened: ``playbyplay_2022``,
``boxscore_2022``, ``points_2022`` and ``header``, as parquet or CSV, one folder a competition.

Counting rules (they reproduce the official box score): fouls are ``OF CM CMU CMT CMD CMTI C B``,
a turnover is ``TO`` alone, a blocked shot of 2007-08 (``2FGAB``, ``3FGAB``) is a missed shot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem, suggest
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, load_json, read_table
from openbasket.transcripts.names import display_name, identifier, text
from openbasket.transcripts.plays import assemble, clock_seconds, season_name

__all__ = ["FILES", "KINDS", "matches", "read"]

LEAGUES = {"E": "euroleague", "U": "eurocup"}
SECTIONS = {
    "FirstQuarter": 1,
    "SecondQuarter": 2,
    "ThirdQuarter": 3,
    "ForthQuarter": 4,  # sic
    "ExtraTime": 5,
}
PERIOD_S, PERIODS = 600.0, 4

#: PLAYTYPE -> kind, made, value. ``None`` is known and left out.
KINDS: dict[str, tuple[str, bool | None, int | None] | None] = {
    "2FGM": ("field_goal", True, 2),
    "2FGA": ("field_goal", False, 2),
    "2FGAB": ("field_goal", False, 2),
    "LAYUPMD": ("field_goal", True, 2),
    "LAYUPATT": ("field_goal", False, 2),
    "DUNK": ("field_goal", True, 2),
    "3FGM": ("field_goal", True, 3),
    "3FGA": ("field_goal", False, 3),
    "3FGAB": ("field_goal", False, 3),
    "FTM": ("free_throw", True, 1),
    "FTA": ("free_throw", False, 1),
    "AS": ("assist", None, None),
    "O": ("offensive_rebound", None, None),
    "D": ("defensive_rebound", None, None),
    "ST": ("steal", None, None),
    "TO": ("turnover", None, None),
    "FV": ("block", None, None),
    "AG": ("blocked", None, None),
    **dict.fromkeys(["OF", "CM", "CMU", "CMT", "CMD", "CMTI", "C", "B"], ("foul", None, None)),
    "RV": ("foul_drawn", None, None),
    "IN": ("sub_in", None, None),
    "OUT": ("sub_out", None, None),
    "TOUT": ("timeout", None, None),
    "TOUT_TV": ("timeout", None, None),
    "JB": ("jump_ball", None, None),
    "TPOFF": ("jump_ball", None, None),
    "BP": ("period_start", None, None),
    "EP": ("period_end", None, None),
    "EG": ("period_end", None, None),
    "CCH": None,  # coach's challenge
    "F": None,  # fight: not a foul of the box score
    "BF": None,  # bench foul, charged as "B" too
    "": None,
}
BOX = {
    "points": "Points",
    "field_goals_2_made": "FieldGoalsMade2",
    "field_goals_2_tried": "FieldGoalsAttempted2",
    "field_goals_3_made": "FieldGoalsMade3",
    "field_goals_3_tried": "FieldGoalsAttempted3",
    "free_throws_made": "FreeThrowsMade",
    "free_throws_tried": "FreeThrowsAttempted",
    "offensive_rebounds": "OffensiveRebounds",
    "defensive_rebounds": "DefensiveRebounds",
    "assists": "Assistances",
    "steals": "Steals",
    "turnovers": "Turnovers",
    "blocks": "BlocksFavour",
    "fouls_made": "FoulsCommited",
    "fouls_drawn": "FoulsReceived",
}
PLAY_COLUMNS = (
    "CODETEAM",
    "PLAYER_ID",
    "PLAYER",
    "DORSAL",
    "PLAYTYPE",
    "MARKERTIME",
    "MINUTE",
    "NUMBEROFPLAY",
)
POINT_COLUMNS = ("NUM_ANOT", "ID_PLAYER", "COORD_X", "COORD_Y", "ID_ACTION", "UTC")
HEADER_COLUMNS = ("Date", "TeamA", "TeamB", "CodeTeamA", "CodeTeamB", "ScoreA", "ScoreB")
BOX_COLUMNS = ("Player_ID", "IsStarter", "Team", "Dorsal", "Player", "Minutes", *BOX.values())


@dataclass
class _Raw:
    """A competition's season as the source has it, one frame a file kind (``_gamecode`` in each)."""

    competition: str
    start: int
    plays: pl.DataFrame
    box: pl.DataFrame | None
    header: pl.DataFrame | None
    points: pl.DataFrame | None
    where: str
    notes: tuple[str, ...] = ()


def matches(seen: Peek) -> bool:
    """Whether a file is one of the live API's, or one of the flattened tables."""
    return bool(LIVE.match(seen.path.name) or FLAT.match(seen.path.name))


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each competition and season found in the files.

    Raises:
        BadInputError: damaged JSON, unknown play types.
    """
    live = [f for f in files if LIVE.match(f.name)]
    flat = [f for f in files if FLAT.match(f.name)]
    for raw in (*_live_seasons(live), *_flat_seasons(flat)):
        yield _transcript(raw, options)


FILES = (
    "E2022_100_PlaybyPlay.json (and Boxscore, Header, Points), "
    "or playbyplay_2022.parquet/.csv (and boxscore_2022, points_2022, header)"
)
LIVE = re.compile(
    r"^(?P<code>[EU])(?P<start>\d{4})_(?P<game>\d+)_(?P<what>\w+)\.json$", re.IGNORECASE
)
FLAT = re.compile(
    r"^(?P<what>playbyplay|boxscore|points|header)(?:_(?P<start>\d{4}))?\.(?P<kind>parquet|csv)$"
)


# -- the two forms of the files --------------------------------------------------------------


def _live_seasons(files: list[Path]) -> Iterator[_Raw]:
    seasons: dict[tuple[str, int], dict[int, dict[str, Path]]] = {}
    for file in files:
        match = LIVE.match(file.name)
        assert match
        games = seasons.setdefault((match["code"].upper(), int(match["start"])), {})
        games.setdefault(int(match["game"]), {})[match["what"].lower()] = file
    for (code, start), games in sorted(seasons.items()):
        parts: dict[str, list[pl.DataFrame]] = {"plays": [], "box": [], "header": [], "points": []}
        notes = []
        for game, kinds in sorted(games.items()):
            if "playbyplay" not in kinds:
                notes.append(f"game {game} has no PlaybyPlay file and is left out")
                continue
            parts["plays"].append(
                _live_plays(kinds["playbyplay"]).with_columns(_gamecode=pl.lit(game))
            )
            for what, key, rows in (
                ("box", "boxscore", _live_box),
                ("header", "header", _live_header),
                ("points", "points", _live_points),
            ):
                if key in kinds:
                    parts[what].append(rows(kinds[key]).with_columns(_gamecode=pl.lit(game)))
                else:
                    notes.append(f"game {game} has no {key} file")
        if not parts["plays"]:
            continue
        frames = {
            what: pl.concat(list_, how="vertical_relaxed") if list_ else None
            for what, list_ in parts.items()
        }
        plays = frames.pop("plays")
        assert plays is not None
        where = str(files[0].parent)
        yield _Raw(code, start, plays, **frames, where=where, notes=tuple(notes))


def _records(
    path: Path, records: Any, columns: Sequence[str], extra: Sequence[str] = ()
) -> pl.DataFrame:
    """Turn a list of JSON objects into a frame of text columns; missing keys are problems."""
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise BadInputError(
            [Problem(str(path), None, None, "no list of objects", "the live API's form")]
        )
    problems = [
        Problem(str(path), row, column, "no such key", f"a row with {', '.join(columns)}")
        for row, record in enumerate(records)
        for column in columns
        if column not in record
    ]
    if problems:
        raise BadInputError(problems)
    names = (*columns, *extra)
    rows = [[None if r.get(c) is None else str(r.get(c)) for c in names] for r in records]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _live_plays(path: Path) -> pl.DataFrame:
    content = load_json(path)
    records = []
    for section in SECTIONS:
        plays = content.get(section) if isinstance(content, dict) else None
        for row, play in enumerate(plays if isinstance(plays, list) else []):
            place = {"_section": section, "_section_row": row}
            records.append(play | place if isinstance(play, dict) else play)
    if not records:
        allowed = f"an object with the lists {', '.join(SECTIONS)}"
        raise BadInputError([Problem(str(path), None, None, "no plays", allowed)])
    return _records(path, records, ("_section", "_section_row", *PLAY_COLUMNS))


def _live_box(path: Path) -> pl.DataFrame:
    content = load_json(path)
    teams = content.get("Stats") if isinstance(content, dict) else None
    if not isinstance(teams, list) or not all(isinstance(team, dict) for team in teams):
        raise BadInputError(
            [Problem(str(path), None, "Stats", "no list of teams", "the live API's form")]
        )
    listed = (team.get("PlayersStats") for team in teams)
    players = [player for players in listed if isinstance(players, list) for player in players]
    return _records(path, players, BOX_COLUMNS, ("Plusminus",))


def _live_header(path: Path) -> pl.DataFrame:
    return _records(path, [load_json(path)], HEADER_COLUMNS)


def _live_points(path: Path) -> pl.DataFrame:
    content = load_json(path)
    return _records(path, content.get("Rows") if isinstance(content, dict) else None, POINT_COLUMNS)


def _flat_seasons(files: list[Path]) -> Iterator[_Raw]:
    folders: dict[Path, dict[tuple[str, str | None], Path]] = {}
    for file in files:
        match = FLAT.match(file.name)
        assert match
        folders.setdefault(file.parent, {})[match["what"], match["start"]] = file
    for folder, found in sorted(folders.items()):
        headers = [
            _load_flat(file, (*HEADER_COLUMNS, "CompetitionReducedName"))
            for (what, _), file in sorted(found.items(), key=str)
            if what == "header"
        ]
        header = pl.concat(headers) if headers else None
        for (what, season), file in sorted(found.items(), key=str):
            if what != "playbyplay":
                continue
            plays = _load_flat(file, ("_section", "_section_row", *PLAY_COLUMNS))
            optional = {
                "box": (("boxscore", season), BOX_COLUMNS, ("Plusminus",)),
                "points": (("points", season), POINT_COLUMNS, ()),
            }
            frames = {
                name: _load_flat(found[key], columns, extra) if key in found else None
                for name, (key, columns, extra) in optional.items()
            }
            notes = [
                f"no {name} file beside {file.name}" for name, f in frames.items() if f is None
            ]
            for (start,), part in plays.partition_by("_season", as_dict=True).items():
                mine = {
                    name: None if f is None else f.filter(pl.col("_season") == start)
                    for name, f in (*frames.items(), ("header", header))
                }
                code = _competition(file, folder, mine["header"])
                yield _Raw(code, int(str(start)), part, **mine, where=str(file), notes=tuple(notes))


def _load_flat(path: Path, columns: Sequence[str], extra: Sequence[str] = ()) -> pl.DataFrame:
    numbers = ("_season", "_gamecode")
    frame = read_table(path, (*numbers, *columns), extra).with_columns(
        pl.col(numbers).cast(pl.Float64, strict=False).cast(pl.Int32, strict=False)
    )
    bad = frame.with_row_index("_row").filter(pl.any_horizontal(pl.col(numbers).is_null()))
    if bad.height:
        raise BadInputError(
            Problem(str(path), row, "_season, _gamecode", "no numbers", "whole numbers")
            for row in bad["_row"].head(20)
        )
    return frame


def _competition(file: Path, folder: Path, header: pl.DataFrame | None) -> str:
    if header is not None:
        codes = header["CompetitionReducedName"].str.strip_chars().drop_nulls().str.slice(0, 1)
        for code in codes.unique().sort().to_list():
            if code in LEAGUES:
                return str(code)
    for code, league in LEAGUES.items():
        if league in folder.name.lower():
            return code
    raise BadInputError(
        [
            Problem(
                str(file), None, None, "a competition nobody names", "E (EuroLeague) or U (EuroCup)"
            )
        ],
        hint="Put header.parquet beside the file, or name the folder 'euroleague' or 'eurocup'.",
    )


# -- one form for both ------------------------------------------------------------------------


def _transcript(raw: _Raw, options: ImportOptions) -> Transcript:
    league, gender, region = options.place(LEAGUES[raw.competition])
    name = pl.format(f"{raw.competition}{raw.start}-{{}}", pl.col("_gamecode")).alias("game_id")
    box = _box(raw, name)
    plays = _places(_plays(raw, name, box), raw.points, name)
    return assemble(
        "euroleague",
        league,
        options.season or season_name(raw.start),
        _games(raw, plays),
        plays,
        gender=gender,
        region=region,
        box=box,
        people=_people(box, plays),
        notes=raw.notes,
    )


def _plays(raw: _Raw, name: pl.Expr, box: pl.DataFrame) -> pl.DataFrame:
    """Clean the play-by-play rows: period, clock, kind, player."""
    plays = raw.plays.with_columns(
        name,
        identifier("CODETEAM").alias("team_id"),
        identifier("PLAYER_ID").alias("player_id"),
        pl.col("PLAYTYPE").fill_null("").str.strip_chars(),
        pl.col("MARKERTIME").fill_null("").str.strip_chars(),
        pl.col("_section").replace_strict(SECTIONS, default=None, return_dtype=pl.Int8),
        pl.col("_section_row", "MINUTE", "NUMBEROFPLAY").cast(pl.Int32, strict=False),
    ).with_row_index("_row")
    _refuse_unknown(plays, raw)
    plays = plays.filter(pl.col("PLAYTYPE").is_in([k for k, v in KINDS.items() if v]))
    plays = plays.sort("_gamecode", "_section", "_section_row", "NUMBEROFPLAY")
    # Overtimes share a section: a new one starts at each BP row (or where the minutes say so).
    extra = pl.col("_section") == PERIODS + 1
    started = ((pl.col("PLAYTYPE") == "BP") & extra).cast(pl.Int32).cum_sum().over("game_id")
    by_minute = ((pl.col("MINUTE") - 41) // 5 + 1).clip(1)
    overtimes = pl.max_horizontal(started, 1)
    has_starts = started.max().over("game_id") > 0
    period = (
        pl.when(~extra)
        .then(pl.col("_section").cast(pl.Int32))
        .otherwise(PERIODS + pl.when(has_starts).then(overtimes).otherwise(by_minute))
    )
    # Coaches stand for the bench: they are charged with its fouls (CO_A, CO_B) and, in 2007-08,
    # with team rebounds and turnovers. Whoever is on no roster of the box score is no player.
    listed = box.select("game_id", "player_id", pl.lit(True).alias("listed"))
    plays = plays.join(listed, on=["game_id", "player_id"], how="left", maintain_order="left")
    has_box = pl.col("game_id").is_in(box["game_id"].unique().implode())
    coach = pl.col("player_id").is_in(["CO_A", "CO_B"]) | (has_box & pl.col("listed").is_null())
    mapped = {k: v for k, v in KINDS.items() if v}
    return plays.with_columns(
        period=period.cast(pl.Int8),
        clock_s=clock_seconds(pl.col("MARKERTIME")),
        kind=pl.col("PLAYTYPE").replace_strict({k: v[0] for k, v in mapped.items()}),
        made=pl.col("PLAYTYPE").replace_strict(
            {k: v[1] for k, v in mapped.items()}, return_dtype=pl.Boolean
        ),
        value=pl.col("PLAYTYPE").replace_strict(
            {k: v[2] for k, v in mapped.items()}, return_dtype=pl.Int8
        ),
        player_id=pl.when(~coach).then(pl.col("player_id")),
        name=text("PLAYER"),
        number=text("DORSAL"),
    ).with_columns(clock_s=_interval_changes())


def _interval_changes() -> pl.Expr:
    """The clock, with changes made in the interval at the full ten minutes.

    In 2016-17 they read ``09:00`` although they stand before the period's first play; the official minutes
    count them from the period's start.
    """
    change = pl.col("kind").is_in(["sub_in", "sub_out"])
    play = ~change & ~pl.col("kind").is_in(["period_start", "timeout"])
    group = ("game_id", "period")
    before_all = play.cum_sum().over(group) == 0
    first = pl.when(play).then(pl.col("clock_s")).backward_fill().over(group)
    wrong = change & before_all & (pl.col("clock_s") == PERIOD_S - 60) & (first > PERIOD_S - 60)
    return pl.when(wrong & (pl.col("period") <= PERIODS)).then(PERIOD_S).otherwise("clock_s")


def _refuse_unknown(plays: pl.DataFrame, raw: _Raw) -> None:
    problems = []
    unknown = plays.filter(~pl.col("PLAYTYPE").is_in(list(KINDS)))
    for row, given in unknown.select("_row", "PLAYTYPE").rows():
        near = suggest(given, [k for k in KINDS if k])
        problems.append(
            Problem(
                raw.where, row, "PLAYTYPE", f"{given!r}.{near}", ", ".join(k for k in KINDS if k)
            )
        )
    for row in plays.filter(pl.col("_section").is_null())["_row"].to_list():
        problems.append(Problem(raw.where, row, "_section", "another word", ", ".join(SECTIONS)))
    for field in ("_section_row", "NUMBEROFPLAY"):
        for row in plays.filter(pl.col(field).is_null())["_row"].to_list():
            problems.append(Problem(raw.where, row, field, "no number", "a whole number"))
    if problems:
        raise BadInputError(problems)


def _box(raw: _Raw, name: pl.Expr) -> pl.DataFrame:
    """Official lines, with ``seconds_played`` (0 for DNP) and standard names."""
    columns = ["_gamecode", *BOX_COLUMNS]
    box = raw.box if raw.box is not None else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    if "Plusminus" not in box.columns:
        box = box.with_columns(Plusminus=pl.lit(None, dtype=pl.String))
    minutes = text("Minutes").str.extract_groups(r"^(\d+):(\d{1,2})$")
    return (
        box.with_columns(
            name,
            identifier("Player_ID").alias("player_id"),
            identifier("Team").alias("team_id"),
            text("Dorsal").alias("number"),
            text("Player").alias("name"),
            (pl.col("IsStarter").cast(pl.String) == "1").alias("starter"),
            pl.when(text("Minutes") == "DNP")
            .then(0.0)
            .otherwise(minutes.struct[0].cast(pl.Float64) * 60 + minutes.struct[1].cast(pl.Float64))
            .alias("seconds_played"),
            pl.col("Plusminus").cast(pl.Float64, strict=False).cast(pl.Int16).alias("plus_minus"),
            *(
                pl.col(theirs).cast(pl.Float64, strict=False).cast(pl.Int16).alias(ours)
                for ours, theirs in BOX.items()
            ),
        )
        .filter(pl.col("player_id").is_not_null() & pl.col("team_id").is_not_null())
        .filter(~pl.col("player_id").is_in(["Team", "Total"]))
        .unique(["game_id", "player_id"], keep="first", maintain_order=True)
    )


def _games(raw: _Raw, plays: pl.DataFrame) -> pl.DataFrame:
    played = plays.select("_gamecode", "game_id").unique().sort("_gamecode")
    teams = (
        plays.filter(pl.col("team_id").is_not_null())
        .group_by("game_id")
        .agg(pl.col("team_id").unique().sort())
    )
    if raw.header is None:
        header = pl.DataFrame(
            schema={"_gamecode": pl.Int32, **dict.fromkeys(HEADER_COLUMNS, pl.String)}
        )
    else:
        header = raw.header.unique("_gamecode", keep="first", maintain_order=True)
    return (
        played.join(
            header.with_columns(pl.col("_gamecode").cast(pl.Int32)), on="_gamecode", how="left"
        )
        .join(teams, on="game_id", how="left")
        .select(
            "game_id",
            text("Date").str.to_date("%d/%m/%Y", strict=False).alias("date"),
            pl.coalesce(
                identifier("CodeTeamA"), pl.col("team_id").list.get(0, null_on_oob=True)
            ).alias("home_team_id"),
            pl.coalesce(
                identifier("CodeTeamB"), pl.col("team_id").list.get(1, null_on_oob=True)
            ).alias("away_team_id"),
            text("TeamA").alias("home_team"),
            text("TeamB").alias("away_team"),
            text("ScoreA").cast(pl.Int16, strict=False).alias("home_score"),
            text("ScoreB").cast(pl.Int16, strict=False).alias("away_score"),
        )
    )


def _places(plays: pl.DataFrame, points: pl.DataFrame | None, name: pl.Expr) -> pl.DataFrame:
    """Add places of field goals and instants of shots from the file of points."""
    if points is None:
        return plays
    keys = ["game_id", "NUMBEROFPLAY", "player_id"]
    places = points.select(
        name,
        pl.col("NUM_ANOT").cast(pl.Int32, strict=False).alias("NUMBEROFPLAY"),
        identifier("ID_PLAYER").alias("player_id"),
        pl.col("COORD_X").cast(pl.Float64, strict=False).alias("x"),
        pl.col("COORD_Y").cast(pl.Float64, strict=False).alias("y"),
        text("UTC")
        .str.to_datetime("%Y%m%d%H%M%S", strict=False, time_zone="UTC")
        .alias("wall_time"),
    ).unique(keys, keep="first", maintain_order=True)
    plays = plays.join(places, on=keys, how="left", maintain_order="left")
    shot = pl.col("kind") == "field_goal"
    inside = (pl.col("x").abs() <= 800) & pl.col("y").is_between(-200, 2800)
    return plays.with_columns(
        x_m=pl.when(shot & inside).then(pl.col("x") / 100),
        y_m=pl.when(shot & inside).then(pl.col("y") / 100),
        wall_time=pl.when(pl.col("kind").is_in(["field_goal", "free_throw"])).then("wall_time"),
    )


def _people(box: pl.DataFrame, plays: pl.DataFrame) -> pl.DataFrame:
    return (
        pl.concat([box.select("player_id", "name"), plays.select("player_id", "name")])
        .drop_nulls("player_id")
        .group_by("player_id")
        .agg(pl.col("name").drop_nulls().sort().first())
        .with_columns(name=display_name(pl.col("name")))
    )

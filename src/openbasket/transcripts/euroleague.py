"""EuroLeague and EuroCup: the live API's JSON, and tables made of it.

Live API: for each game the answers PlaybyPlay, Boxscore, Header and Points (the last three are welcome:
official counts, names and date, places and wall clock), found by their content. Which game it is must stand
in the file's name or its folders': ``E2022_100_PlaybyPlay.json``, ``E2024/PlaybyPlay/107.json``. Tables: one
row for each play, line of the box score, shot or game, as parquet or CSV, found by their columns:
``playbyplay_2022`` and the like, or the frames of the packages euroleague_api (``Season, Gamecode,
PERIOD``) and euroleaguer (``SeasonCode, GameCode, Quarter``).

Counting rules (they reproduce the official box score): fouls are ``OF CM CMU CMT CMD CMTI C B`` (and, from
2026-27, ``CMU_DI CMU_FL CMT1``), a turnover is ``TO`` alone, a blocked shot of 2007-08 (``2FGAB``,
``3FGAB``) is a missed shot. A word that is not known is left out and flagged.
Official minutes count changes made before an overtime from its second minute; they are set right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.checks import in_order
from openbasket.transcripts.formats import Peek, load_json, peek, read_table
from openbasket.transcripts.names import decimal, display_name, identifier, per_value, text, whole
from openbasket.transcripts.plays import (
    assemble,
    clock_seconds,
    flag_frame,
    season_name,
    sides_from_scores,
)
from openbasket.wording import counted

__all__ = ["FILES", "KINDS", "matches", "read"]

LEAGUES = {"E": "euroleague", "U": "eurocup"}
SECTIONS = {
    "FirstQuarter": 1,
    "SecondQuarter": 2,
    "ThirdQuarter": 3,
    "ForthQuarter": 4,  # sic
    "ExtraTime": 5,
}
PERIOD_S, PERIODS, OVERTIME_S = 600.0, 4, 300.0

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
    **dict.fromkeys(
        ["OF", "CM", "CMU", "CMU_DI", "CMU_FL", "CMT", "CMT1", "CMD", "CMTI", "C", "B"],
        ("foul", None, None),
    ),
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
    "POINTS_A",
    "POINTS_B",
)
POINT_COLUMNS = ("NUM_ANOT", "ID_PLAYER", "COORD_X", "COORD_Y", "ID_ACTION", "UTC")
HEADER_COLUMNS = ("Date", "TeamA", "TeamB", "CodeTeamA", "CodeTeamB", "ScoreA", "ScoreB")
BOX_COLUMNS = ("Player_ID", "IsStarter", "Team", "Dorsal", "Player", "Minutes", *BOX.values())
GAME = ("_season", "_gamecode")
#: Of the four kinds of files: columns, and those that may be missing.
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "plays": (PLAY_COLUMNS, ("_section_row",)),
    "box": (BOX_COLUMNS, ("Plusminus",)),
    "header": (HEADER_COLUMNS, ("CompetitionReducedName",)),
    "points": (POINT_COLUMNS, ()),
}
#: What columns are called elsewhere, in lower case and without ``_``: in every table, and in those of plays.
KEYS = {"season": "_season", "seasoncode": "_season", "gamecode": "_gamecode"}
PLAYS = {
    **{c.lower().replace("_", ""): c for c in PLAY_COLUMNS},
    "section": "_section",
    "period": "_section",
    "quarter": "_section",
    "sectionrow": "_section_row",
    "teamcode": "CODETEAM",
    "idplayer": "PLAYER_ID",
    "playername": "PLAYER",
}
#: Columns that tell a table, and what the answers of the live API are called.
MARKS: dict[str, frozenset[str]] = {
    "plays": frozenset({"PLAYTYPE", "NUMBEROFPLAY"}),
    "box": frozenset({"IsStarter", "FoulsCommited"}),
    "points": frozenset({"NUM_ANOT", "COORD_X"}),
    "header": frozenset({"CodeTeamA", "ScoreA"}),
}
ANSWERS = {"playbyplay": "plays", "boxscore": "box", "header": "header", "points": "points"}
FILES = (
    "answers of the live API, such as E2022_100_PlaybyPlay.json (and Boxscore, Header, Points), "
    "or tables of plays as parquet or CSV (and of box scores, shots and games)"
)
NAMING = (
    "Name the files, or their folder, after season and game, such as E2022_100_PlaybyPlay.json; "
    "or say --league euroleague (or eurocup) and --season 22-23."
)
SEASON = re.compile(r"(?<![A-Za-z0-9])([EU]?)(20\d\d)(?!\d)", re.IGNORECASE)
#: A season in a table: ``E2022`` or ``2022``.
YEAR = r"^([EU]?)(20\d\d)(?:\.0+)?$"
NAME = re.compile(r"^(?:[EU]\d{4}_\d+_(\w+)\.json|(playbyplay)_\d{4}\.\w+)$", re.IGNORECASE)


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
    """Whether a file is one of the live API's answers, or one of the tables."""
    return _kind(seen) is not None


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each competition and season found in the files.

    Raises:
        BadInputError: damaged files; plays of a season or competition that nothing names.
    """
    live: list[tuple[str, Path]] = []
    tables: dict[Path, list[tuple[str, Path, frozenset[str]]]] = {}
    for file in files:
        seen = peek(file)
        kind = _kind(seen) or "other"
        if seen.kind in ("csv", "parquet"):
            tables.setdefault(file.parent, []).append((kind, file, seen.keys))
        else:
            live.append((kind, file))
    seasons: dict[tuple[str, int], list[_Raw]] = {}
    for raw in (*_live_seasons(live, options), *_flat_seasons(tables, options)):
        seasons.setdefault((raw.competition, raw.start), []).append(raw)
    for _, parts in sorted(seasons.items()):
        yield _transcript(_joined(parts), options)


def _kind(seen: Peek) -> str | None:
    """What a file holds: ``plays``, ``box``, ``header``, ``points``, or ``other`` of the live API."""
    if seen.kind == "json":
        if seen.keys & {*SECTIONS} and not seen.has("resultSets"):
            return "plays"
        if seen.has("Stats", "ByQuarter") or seen.has("Stats[].PlayersStats"):
            return "box"
        if seen.has("CodeTeamA", "ScoreA"):
            return "header"
        if seen.has("Rows[].NUM_ANOT") or seen.keys == {"Rows"}:
            return "points"
        if seen.has("local.players", "road.players"):  # the box score of the API's second version
            return "other"
    for kind, marks in MARKS.items() if seen.kind in ("csv", "parquet") else ():
        if marks <= {_column(name, kind) for name in seen.keys}:
            return kind
    # Damaged files, and answers that are not needed, by their names.
    name = NAME.match(seen.path.name)
    return ANSWERS.get((name[1] or name[2]).lower(), "other") if name else None


def _column(name: str, kind: str) -> str:
    plain = name.strip().lower().replace("_", "")
    return KEYS.get(plain) or (PLAYS.get(plain) if kind == "plays" else None) or name


def _joined(parts: list[_Raw]) -> _Raw:
    """The frames of a season that stood in several folders, in one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    frames: dict[str, pl.DataFrame | None] = {}
    for kind in TABLES:
        found = [frame for part in parts if (frame := getattr(part, kind)) is not None]
        frames[kind] = pl.concat(found, how="diagonal") if found else None
    plays = frames.pop("plays")
    assert plays is not None
    notes = tuple(note for part in parts for note in part.notes)
    return _Raw(first.competition, first.start, plays, **frames, where=first.where, notes=notes)


# -- the two forms of the files --------------------------------------------------------------


@dataclass
class _Game:
    """The answers of a game, and what their names say of it."""

    code: str | None
    start: int | None
    number: str | None
    files: dict[str, Path] = field(default_factory=dict)


def _place(path: Path) -> tuple[str | None, int | None, str | None]:
    """Competition, season's first year and game number, as the file's name or its folders' tell them."""
    parts = [path.stem, *(parent.name for parent in list(path.parents)[:4])]
    season = next((m for m in map(SEASON.search, parts) if m), None)
    start = int(season[2]) if season else None
    code = season[1].upper() if season else ""
    if not code:
        words = " ".join(parts).lower()
        code = next((c for c, name in LEAGUES.items() if name in words), "")
    for part in parts[:2]:
        rest = SEASON.sub(" ", part)
        if start is not None:  # 2022-23
            rest = (
                re.sub(rf"^\W*-?{(start + 1) % 100:02d}(?!\d)", " ", rest) if rest != part else rest
            )
        number = re.search(r"(?<!\d)\d{1,4}(?!\d)", rest)
        if number:
            return code or None, start, str(int(number[0]))
    return code or None, start, None


def _live_seasons(files: Sequence[tuple[str, Path]], options: ImportOptions) -> Iterator[_Raw]:
    games: dict[Any, _Game] = {}
    without: list[Path] = []
    for kind, path in files:
        if kind not in TABLES:
            without.append(path)
            continue
        code, start, number = _place(path)
        key = (code, start, number) if number else path.parent
        game = games.setdefault(key, _Game(code, start, number))
        twin = game.files.setdefault(kind, path)
        if twin != path and twin.read_bytes() != path.read_bytes():
            given = f"the same game as {twin}" if number else f"no game number, like {twin}"
            raise BadInputError([Problem(str(path), None, None, given, "one game")], NAMING)
    seasons: dict[tuple[str, int], list[_Game]] = {}
    problems: list[Problem] = []
    lone: list[Path] = []
    for game in games.values():
        if "plays" not in game.files:
            lone += game.files.values()
            continue
        where = game.files["plays"]
        code, start = game.code, game.start
        if not (
            code and start and game.number
        ):  # the name does not say it: perhaps the content does
            content = _content(where)
            if "header" in game.files:
                content |= _content(game.files["header"])
            code = code or _told_competition(content.get("CompetitionReducedName"), options)
            start = start or _told_start(content.get("Date"), options)
            teams = " ".join(str(content.get(f"CodeTeam{side}") or "").strip() for side in "AB")
            game.number = game.number or re.sub(r"[^A-Za-z0-9]+", "-", teams.strip())
        known = {"competition": code, "season": start, "game number": game.number}
        problems += [
            Problem(str(where), None, None, f"no {what}", "E2022_100 or such in its name")
            for what, given in known.items()
            if given in (None, "")
        ]
        if code and start is not None and game.number:
            seasons.setdefault((code, start), []).append(game)
    if not seasons and not problems:
        allowed = "the live API's answer PlaybyPlay beside it"
        problems = [
            Problem(str(path), None, None, "no plays of its game", allowed)
            for path in (*lone, *without)
        ]
    if problems:
        raise BadInputError(problems, NAMING)
    for (code, start), found in sorted(seasons.items()):
        parts: dict[str, list[pl.DataFrame]] = {kind: [] for kind in TABLES}
        notes = [f"{path.name} has no plays of its game beside it" for path in lone]
        lone = []
        for game in found:
            for kind, rows in LIVE.items():
                if kind in game.files:
                    frame = rows(game.files[kind]).with_columns(_gamecode=pl.lit(game.number))
                    parts[kind].append(frame)
                else:
                    answer = next(name for name, what in ANSWERS.items() if what == kind)
                    notes.append(f"game {game.number} has no {answer} file")
        frames = {kind: pl.concat(list_) if list_ else None for kind, list_ in parts.items()}
        plays = frames.pop("plays")
        assert plays is not None
        where = found[0].files["plays"].parent
        yield _Raw(code, start, plays, **frames, where=str(where), notes=tuple(notes))


def _content(path: Path) -> dict[str, Any]:
    content = load_json(path)
    return dict(content) if isinstance(content, dict) else {}


def _told_competition(reduced: Any, options: ImportOptions) -> str | None:
    code = str(reduced or "").strip()[:1]
    league = {name: code for code, name in LEAGUES.items()}.get(options.league or "")
    return code if code in LEAGUES else league


def _told_start(date: Any, options: ImportOptions) -> int | None:
    day = re.match(r"^\d{1,2}/(\d{1,2})/(20\d\d)$", str(date or "").strip())
    if day:
        return int(day[2]) - (int(day[1]) < 7)
    return 2000 + int(options.season[:2]) if options.season else None


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
    content = _content(path)
    records: list[Any] = []
    for section in SECTIONS:
        plays = content.get(section)
        for row, play in enumerate(plays if isinstance(plays, list) else []):
            place = {"_section": section, "_section_row": row}
            records.append(play | place if isinstance(play, dict) else play)
    if not records:
        allowed = f"an object with the lists {', '.join(SECTIONS)}"
        raise BadInputError([Problem(str(path), None, None, "no plays", allowed)])
    frame = _records(path, records, ("_section", "_section_row", *PLAY_COLUMNS))
    sides = {f"_{side}": str(content.get(f"CodeTeam{side}") or "") for side in "AB"}
    return frame.with_columns(pl.lit(code).alias(name) for name, code in sides.items())


def _live_box(path: Path) -> pl.DataFrame:
    teams = _content(path).get("Stats")
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
    return _records(path, _content(path).get("Rows"), POINT_COLUMNS)


LIVE = {"plays": _live_plays, "box": _live_box, "header": _live_header, "points": _live_points}


def _flat_seasons(
    folders: Mapping[Path, Sequence[tuple[str, Path, frozenset[str]]]], options: ImportOptions
) -> Iterator[_Raw]:
    """Seasons of tables; those of a folder belong together."""
    for folder, files in sorted(folders.items()):
        frames: dict[str, list[pl.DataFrame]] = {kind: [] for kind in TABLES}
        sources: dict[tuple[str | None, int], Path] = {}
        known: dict[tuple[Any, ...], Path] = {}
        for kind, path, columns in files:
            if kind not in TABLES:
                continue
            frame = _load_flat(path, kind, columns)
            frames[kind].append(frame)
            if kind != "plays":
                continue
            for row in frame.select("_code", "_start", "_gamecode").unique().rows():
                sources.setdefault(row[:2], path)
                if known.setdefault(row, path) != path:
                    given = f"game {row[2]}, which stands in {known[row]} too"
                    raise BadInputError([Problem(str(path), None, None, given, "each game once")])
        if not frames["plays"]:
            allowed = "a table with PLAYTYPE and NUMBEROFPLAY"
            raise BadInputError([Problem(str(folder), None, None, "no table of plays", allowed)])
        joined = {kind: pl.concat(parts) if parts else None for kind, parts in frames.items()}
        plays = joined.pop("plays")
        assert plays is not None
        for (code, start), where in sorted(sources.items(), key=str):
            same = pl.col("_code").eq_missing(pl.lit(code, pl.String)) & (pl.col("_start") == start)
            either = same | (pl.col("_code").is_null() & (pl.col("_start") == start))
            mine = {kind: None if f is None else f.filter(either) for kind, f in joined.items()}
            notes = [
                f"no {kind} table beside {where.name}" for kind, f in mine.items() if f is None
            ]
            told = code or _competition(where, mine["header"], options)
            part = plays.filter(same)
            yield _Raw(told, start, part, **mine, where=str(where), notes=tuple(notes))


def _load_flat(path: Path, kind: str, columns: frozenset[str]) -> pl.DataFrame:
    """A table with our names, and ``_code`` (of a season such as ``E2022``), ``_start``, ``_gamecode``."""
    needed, optional = TABLES[kind]
    needed = ("_season", "_gamecode", *(("_section",) if kind == "plays" else ()), *needed)
    theirs = {_column(name, kind): name for name in sorted(columns, reverse=True)}
    frame = read_table(
        path, [theirs.get(c, c) for c in needed], [theirs.get(c, c) for c in optional]
    )
    frame = frame.rename({theirs[c]: c for c in (*needed, *optional) if c in theirs})

    def told(group: int) -> pl.Expr:
        def read(season: pl.Expr) -> pl.Expr:
            return season.str.strip_chars().str.extract(YEAR, group)

        return per_value(pl.col("_season"), read)

    code, start = told(1), told(2)
    frame = frame.with_columns(
        _code=pl.when(code != "").then(code),
        _start=start.cast(pl.Int32),
        _gamecode=per_value(pl.col("_gamecode"), lambda game: whole(game).cast(pl.String)),
    )
    lost = pl.any_horizontal(pl.col("_start", "_gamecode").is_null())
    bad = frame.with_row_index("_row").filter(lost)
    if bad.height:
        raise BadInputError(
            Problem(str(path), row, "season, game code", "no numbers", "such as 2022 and 100")
            for row in bad["_row"].head(20)
        )
    if kind == "plays":
        # Where the source does not number the rows of a period, they stand in order.
        row = pl.int_range(pl.len()).cast(pl.String)
        frame = frame.with_columns(_section_row=pl.coalesce("_section_row", row))
    return frame


def _competition(file: Path, header: pl.DataFrame | None, options: ImportOptions) -> str:
    reduced = header["CompetitionReducedName"].drop_nulls().min() if header is not None else None
    code = _told_competition(reduced, options) or _place(file)[0]
    if code is None:
        allowed = "E (EuroLeague) or U (EuroCup)"
        raise BadInputError(
            [Problem(str(file), None, None, "a competition nobody names", allowed)],
            hint="Put header.parquet beside the file, name the folder 'euroleague' or 'eurocup', or say "
            "--league euroleague (or eurocup).",
        )
    return code


# -- one form for both ------------------------------------------------------------------------


def _transcript(raw: _Raw, options: ImportOptions) -> Transcript:
    league, gender, region = options.place(LEAGUES[raw.competition])
    name = pl.format(f"{raw.competition}{raw.start}-{{}}", pl.col("_gamecode")).alias("game_id")
    box = _box(raw, name)
    plays = _places(_plays(raw, name, box), raw.points, name)
    games, flags = _games(raw, plays)
    right = _overtime_minutes(box, plays)
    moved = int((right["seconds_played"] != box["seconds_played"]).sum())
    one, many = (
        f"{who} official minutes in overtimes are set right" for who in ("player's", "players'")
    )
    notes = [counted(moved, one, many)] if moved else []
    return assemble(
        "euroleague",
        league,
        options.season or season_name(raw.start),
        games,
        plays,
        gender=gender,
        region=region,
        box=right,
        people=_people(box, plays),
        flags=flags,
        notes=(*raw.notes, *notes),
    )


def _plays(raw: _Raw, name: pl.Expr, box: pl.DataFrame) -> pl.DataFrame:
    """Clean the play-by-play rows: period, clock, kind, player."""
    plays = raw.plays.with_columns(
        name,
        identifier("CODETEAM").alias("team_id"),
        _person("PLAYER_ID").alias("player_id"),
        pl.col("PLAYTYPE").fill_null("").str.strip_chars(),
        per_value(pl.col("_section"), _section, pl.Int8),
        *(whole(c) for c in ("_section_row", "MINUTE", "NUMBEROFPLAY", "POINTS_A", "POINTS_B")),
    ).with_row_index("_row")
    _refuse_unnumbered(plays, raw)
    plays = plays.filter(~pl.col("PLAYTYPE").is_in([k for k, v in KINDS.items() if not v]))
    games = pl.Enum(plays["_gamecode"].unique(maintain_order=True))
    number = pl.col("_gamecode").cast(games).to_physical()
    plays = in_order(plays, number, "_section", "_section_row", "NUMBEROFPLAY")
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
    table = pl.DataFrame(
        [(word, *meant) for word, meant in KINDS.items() if meant],
        schema={"PLAYTYPE": pl.String, "kind": pl.String, "made": pl.Boolean, "value": pl.Int8},
        orient="row",
    )
    plays = plays.join(table, on="PLAYTYPE", how="left", maintain_order="left").with_columns(
        period=period.cast(pl.Int8),
        clock_s=clock_seconds(pl.col("MARKERTIME")),
        unknown=pl.when(pl.col("kind").is_null()).then("PLAYTYPE"),
        player_id=pl.when(~coach).then(pl.col("player_id")),
        name=text("PLAYER"),
        number=_shirt("DORSAL"),
    )
    return plays.with_columns(clock_s=_interval_changes())


def _section(given: pl.Expr) -> pl.Expr:
    """1 to 5, of the live API's words or of numbers."""
    word = given.str.strip_chars()
    return pl.coalesce(
        word.replace_strict(SECTIONS, default=None, return_dtype=pl.Int8),
        whole(given).clip(1, PERIODS + 1).cast(pl.Int8),
    )


def _interval_changes() -> pl.Expr:
    """The clock, with changes made in the interval at the full ten minutes.

    In 2016-17 they read ``09:00`` although they stand before the period's first play; the official minutes
    count them from the period's start.
    """
    change = pl.col("kind").is_in(["sub_in", "sub_out"])
    play = ~change & ~pl.col("kind").is_in(["period_start", "timeout"])
    group = pl.struct("game_id", "period").rle_id()  # the regular periods are in one piece
    before_all = play.cum_sum().over(group) == 0
    first = pl.when(play).then(pl.col("clock_s")).backward_fill().over(group)
    wrong = change & before_all & (pl.col("clock_s") == PERIOD_S - 60) & (first > PERIOD_S - 60)
    return pl.when(wrong & (pl.col("period") <= PERIODS)).then(PERIOD_S).otherwise("clock_s")


def _overtime_minutes(box: pl.DataFrame, plays: pl.DataFrame) -> pl.DataFrame:
    """Official minutes, with changes made before an overtime counted from its start.

    The source counts them from its second minute: whoever comes in then has a minute too few, and whoever
    leaves one too many (315 of 334 players whom this concerns, 2016 to 2023; none is right as published).
    """
    owed = pl.col("kind").replace_strict(
        {"sub_in": 60.0, "sub_out": -60.0}, default=None, return_dtype=pl.Float64
    )
    before = (pl.col("period") > PERIODS) & (pl.col("clock_s") >= OVERTIME_S)
    by_player = plays.filter(before).group_by("game_id", "player_id").agg(_owed=owed.sum())
    return (
        box.join(by_player, on=["game_id", "player_id"], how="left", maintain_order="left")
        .with_columns(pl.col("seconds_played") + pl.col("_owed").fill_null(0))
        .drop("_owed")
    )


def _shirt(column: str) -> pl.Expr:
    def clean(given: pl.Expr) -> pl.Expr:
        number = given.str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")
        return pl.when(number != "").then(number)

    return per_value(pl.col(column), clean)


def _person(column: str) -> pl.Expr:
    """``P007032``; euroleaguer leaves the P out."""
    return per_value(identifier(column), lambda code: code.str.replace(r"^(\d{6})$", "P$1"))


def _refuse_unnumbered(plays: pl.DataFrame, raw: _Raw) -> None:
    problems = [
        Problem(raw.where, row, name, "no number", allowed)
        for name, allowed in (
            ("_section", f"{', '.join(SECTIONS)}, or 1 to 5"),
            ("_section_row", "a whole number"),
            ("NUMBEROFPLAY", "a whole number"),
        )
        for row in plays.filter(pl.col(name).is_null())["_row"].to_list()
    ]
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
            _person("Player_ID").alias("player_id"),
            identifier("Team").alias("team_id"),
            _shirt("Dorsal").alias("number"),
            text("Player").alias("name"),
            (whole("IsStarter") == 1).alias("starter"),
            pl.when(text("Minutes") == "DNP")
            .then(0.0)
            .otherwise(minutes.struct[0].cast(pl.Float64) * 60 + minutes.struct[1].cast(pl.Float64))
            .alias("seconds_played"),
            pl.col("Plusminus")
            .cast(pl.Float64, strict=False)
            .cast(pl.Int16, strict=False)
            .alias("plus_minus"),
            *(
                pl.col(theirs)
                .cast(pl.Float64, strict=False)
                .cast(pl.Int16, strict=False)
                .alias(ours)
                for ours, theirs in BOX.items()
            ),
        )
        .filter(pl.col("player_id").is_not_null() & pl.col("team_id").is_not_null())
        .filter(~pl.col("player_id").is_in(["Team", "Total"]))
        .unique(["game_id", "player_id"], keep="first", maintain_order=True)
    )


def _games(raw: _Raw, plays: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Table ``games``, from headers or else the plays: the codes there, or who moves which score."""
    schema = dict.fromkeys(("_gamecode", *HEADER_COLUMNS), pl.String)
    header = (pl.DataFrame(schema=schema) if raw.header is None else raw.header).unique(
        "_gamecode", keep="first", maintain_order=True
    )
    if "_A" not in plays.columns:
        plays = plays.with_columns(_A=pl.lit(None, pl.String), _B=pl.lit(None, pl.String))
    score = [pl.col(f"POINTS_{side}").forward_fill().over("game_id").fill_null(0) for side in "AB"]
    moved = sides_from_scores(
        plays.filter(pl.col("made") & pl.col("player_id").is_not_null()).select(
            "game_id", "team_id", home=score[0], away=score[1]
        )
    )
    teams = pl.col("team_id").drop_nulls().unique().sort()
    told = plays.group_by("_gamecode", "game_id").agg(
        identifier("_A").first(),
        identifier("_B").first(),
        teams.get(0, null_on_oob=True).alias("_0"),
        teams.get(1, null_on_oob=True).alias("_1"),
        pl.col("POINTS_A", "POINTS_B").max(),
    )
    games = (
        told.join(header, on="_gamecode", how="left")
        .join(moved, on="game_id", how="left")
        .sort("game_id")
    )
    sure = pl.coalesce(identifier("CodeTeamA"), "_A", "home_team_id").is_not_null()
    unsure = games.filter(~sure)["game_id"]
    flags = flag_frame(
        [(g, "home team", "note", "no file says who played at home") for g in unsure]
    )
    scores = (
        pl.coalesce(decimal(f"Score{side}"), f"POINTS_{side}").cast(pl.Int16, strict=False)
        for side in "AB"
    )
    home, away = scores
    games = games.select(
        "game_id",
        text("Date").str.to_date("%d/%m/%Y", strict=False).alias("date"),
        pl.coalesce(identifier("CodeTeamA"), "_A", "home_team_id", "_0").alias("home_team_id"),
        pl.coalesce(identifier("CodeTeamB"), "_B", "away_team_id", "_1").alias("away_team_id"),
        text("TeamA").alias("home_team"),
        text("TeamB").alias("away_team"),
        home.alias("home_score"),
        away.alias("away_score"),
    )
    return games, flags


def _places(plays: pl.DataFrame, points: pl.DataFrame | None, name: pl.Expr) -> pl.DataFrame:
    """Add places of field goals and instants of shots from the file of points."""
    if points is None:
        return plays
    keys = ["game_id", "NUMBEROFPLAY", "player_id"]
    places = points.select(
        name,
        whole("NUM_ANOT").alias("NUMBEROFPLAY"),
        _person("ID_PLAYER").alias("player_id"),
        pl.col("COORD_X").cast(pl.Float64, strict=False).alias("x"),
        pl.col("COORD_Y").cast(pl.Float64, strict=False).alias("y"),
        text("UTC")
        .str.replace(r"\.0+$", "")
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

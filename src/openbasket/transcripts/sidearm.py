"""Sidearm statistics of NCAA games: JSON with ``Game, Plays, Stats``, and the same flattened to tables.

Nobody has an id. A player is league, team, first initial and last name (box scores abbreviate ``J.
HARRIS``, plays write ``Jenn HARRIS``, ``HARRIS,JENN``, in capitals or not); the number is added only where
one game has two such players. A game is its league, date and teams: files of two schools may have the same
name. Assists, blocks and who comes in or goes out stand in the text of a play (``Narrative``), segment by
segment, now and then at a play of the other team: a person who is in the other team's box score alone is
that team's. The first five of a team in the box score are its starters. Minutes are whole ones and are not
used. Games were played in two halves of 20 minutes until 2014-15 (women) or are (men), else in four
quarters of 10. Technical fouls count as personal ones since 2019-20. Where our count differs from the box
score, an entry was corrected in the one and not in the other. Many older games lack some changes: their
line-ups are flagged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, load_json, peek, read_table
from openbasket.transcripts.names import decimal, initial_and_last, normal_name, slug, text, whole
from openbasket.transcripts.plays import assemble, flag_frame, season_name
from openbasket.wording import counted_expr

__all__ = ["FILES", "matches", "read"]

FILES = "Sidearm JSON (Game, Plays, Stats) or its tables of plays, games and playerstats"
PLAYS = ("_file", "Period", "ClockSeconds", "Team", "Type", "Action", "Narrative")
PLAYER = ("Player_FirstName", "Player_LastName", "Player_UniformNumber")
GAMES = (
    "_file", "Date", "PeriodsRegulation", "Rules", "HomeTeam_Name", "HomeTeam_Score",
    "VisitingTeam_Name", "VisitingTeam_Score",
)  # fmt: skip
BOX = (
    "_file", "_side", "Uni", "Name", "Fgam", "Tpam", "Ftma", "OffensiveRebounds", "DefensiveRebounds",
    "Assists", "Turnovers", "Blocks", "Steals", "PersonalFouls", "Points",
)  # fmt: skip
#: Kinds of shots -> points.
THREE, TWO = r"^3P", r"JUMP|LAY ?-?UP|DUNK|TIP|HOOK|ALLEY|^2P"
#: First season in whose box scores technical fouls are personal ones.
TECHNICAL_IS_PERSONAL = 2019
#: Last season (by its first year) in which women played halves.
LAST_HALVES = 2014
KINDS = {"STEAL": "steal", "TURNOVER": "turnover", "TIMEOUT": "timeout", "FOUL": "foul"}
IGNORED = ("", "COMMENT", "JUMPB", "SUBS", "CHALLENGE", "REVIEW", "NOTE", "PERIOD")
#: What a later segment of a play's text says of its player.
SEGMENTS = {
    "ASSIST": "assist",
    "BLOCK": "block",
    "STEAL": "steal",
    "IN": "sub_in",
    "OUT": "sub_out",
}
SEGMENT = r"(?i)^\s*(?:(\d{1,3})\s+)?(.+?)\s+(assist|block|steal|in|out)\b[^;]*$"


def matches(seen: Peek) -> bool:
    """Whether a file is of Sidearm."""
    if seen.kind == "json":
        return seen.has("Game.HomeTeam", "Plays") and seen.has("Game.VisitingTeam")
    return seen.has(*PLAYS) or seen.has(*GAMES) or seen.has(*BOX)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each season.

    Raises:
        BadInputError: damaged files, games without teams or date.
    """
    parts: dict[str, list[pl.DataFrame]] = {"plays": [], "games": [], "box": []}
    for file in files:
        seen = peek(file)
        if seen.kind == "json":
            for kind, frame in zip(parts, _document(file, load_json(file)), strict=True):
                parts[kind].append(frame)
        elif seen.has(*PLAYS):
            parts["plays"].append(read_table(file, PLAYS, PLAYER))
        elif seen.has(*GAMES):
            parts["games"].append(read_table(file, GAMES))
        else:
            parts["box"].append(read_table(file, BOX))
    if not parts["plays"] or not parts["games"]:
        kind = "games" if parts["plays"] else "plays"
        problem = Problem(str(files[0].parent), None, None, f"no file of {kind}", FILES)
        raise BadInputError([problem])
    told = pl.concat(parts["plays"])
    listed = pl.concat(parts["games"]).unique("_file", keep="first", maintain_order=True)
    games = _games(listed, told, files, options)
    raw = _segments(told.join(games.select("_file", "start"), on="_file", maintain_order="left"))
    empty = pl.DataFrame(schema=dict.fromkeys(BOX, pl.String))
    box = pl.concat(parts["box"]) if parts["box"] else empty
    plays, lines, flags = _identified(raw, box, games)
    kinds = ["season", "league"]
    for part in games.sort(kinds).partition_by(kinds):
        season, league, start, halves = part.select(*kinds, "start", pl.col("periods") == 2).row(0)
        key, gender, region = options.place(league)
        mine = part.select("game_id")
        notes = [] if options.league else [f"the files name no league; taken for {league}"]
        if notes and halves and start <= LAST_HALVES:
            notes += ["men play two halves too: give --league ncaa-men if these are their games"]
        yield assemble(
            "sidearm",
            key,
            options.season or season,
            part,
            plays.join(mine, on="game_id", how="semi", maintain_order="left"),
            gender=gender,
            region=region,
            box=lines.join(mine, on="game_id", how="semi", maintain_order="left"),
            flags=flags.join(mine, on="game_id", how="semi", maintain_order="left"),
            notes=notes,
        )


def _games(
    raw: pl.DataFrame, plays: pl.DataFrame, files: Sequence[Path], options: ImportOptions
) -> pl.DataFrame:
    rules = text("Rules")
    minutes = rules.str.extract(r'"PeriodMinutes":\s*"?(\d+)').cast(pl.Float64, strict=False)
    overtime = rules.str.extract(r'"OTMinutes":\s*"?(\d+)').cast(pl.Float64, strict=False)
    longest = plays.group_by("_file").agg(longest=decimal("ClockSeconds").max())
    games = raw.join(longest, on="_file", how="left", maintain_order="left").select(
        "_file",
        "longest",
        date=pl.coalesce(
            text("Date").str.to_date(form, strict=False) for form in ("%m/%d/%Y", "%Y-%m-%d")
        ),
        periods=whole("PeriodsRegulation").cast(pl.Int8, strict=False),
        period_s=minutes * 60,
        overtime_s=overtime * 60,
        home_team=text("HomeTeam_Name"),
        away_team=text("VisitingTeam_Name"),
        home_score=whole("HomeTeam_Score"),
        away_score=whole("VisitingTeam_Score"),
    ).with_columns(
        *(
            pl.col(f"{side}_team").map_elements(slug, return_dtype=pl.String).alias(f"{side}_team_id")
            for side in ("home", "away")
        ),
        periods=pl.when(pl.col("periods").is_between(1, 8)).then("periods")
        .when(pl.col("longest") > 600)
        .then(2),
        period_s=pl.when(pl.col("period_s") > 0).then("period_s"),
        overtime_s=pl.when(pl.col("overtime_s") > 0).then("overtime_s"),
    )  # fmt: skip
    problems = [
        Problem(str(files[0].parent), None, column, f"none in game {name}", "a value")
        for column in ("date", "home_team", "away_team")
        for name in games.filter(pl.col(column).is_null())["_file"]
    ]
    if problems:
        raise BadInputError(problems)
    start = pl.col("date").dt.year() - (pl.col("date").dt.month() < 8).cast(pl.Int32)
    names = {year: season_name(year) for year in games.select(start).to_series().unique()}
    halves = pl.col("periods") == 2
    # Women have played quarters since 2015-16, men play halves.
    league = (
        pl.when(halves & (start > LAST_HALVES))
        .then(pl.lit("ncaa-men"))
        .otherwise(pl.lit("ncaa-women"))
    )
    day = pl.col("date").dt.strftime("%Y%m%d")
    games = games.with_columns(
        season=start.replace_strict(names, return_dtype=pl.String),
        start=start,
        league=pl.lit(options.league) if options.league else league,
        period_s=pl.coalesce("period_s", pl.when(halves).then(1200.0)),
    )
    name = pl.format("sidearm-{}-{}-{}-{}", "league", day, "home_team_id", "away_team_id")
    return games.with_columns(game_id=name).unique("game_id", keep="first", maintain_order=True)


def _segments(raw: pl.DataFrame) -> pl.DataFrame:
    """One row for each player of a play: the first from its columns, others from its text."""
    kind, action = text("Type").str.to_uppercase(), text("Action").str.to_uppercase()
    player = text("Player_LastName").is_not_null()
    three, two = kind.str.contains(THREE), kind.str.contains(TWO)
    shot = action.is_in(["GOOD", "MISS"])
    personal = player & ((kind != "TECH") | (pl.col("start") >= TECHNICAL_IS_PERSONAL))
    first = (
        pl.when((three | two) & shot)
        .then(pl.lit("field_goal"))
        .when((kind == "FT") & shot)
        .then(pl.lit("free_throw"))
        .when((kind == "OFF") & (action == "REBOUND"))
        .then(pl.lit("offensive_rebound"))
        .when((kind == "DEF") & (action == "REBOUND"))
        .then(pl.lit("defensive_rebound"))
        .when((action == "FOUL") & ~personal.fill_null(False))
        .then(None)
        .otherwise(action.replace_strict(KINDS, default=None, return_dtype=pl.String))
    )
    known = (
        three | two
        | kind.is_in(["FT", "OFF", "DEF", "DEADB"])
        | action.is_in([*KINDS, *IGNORED])
        | kind.is_in(IGNORED)
        | kind.is_null()
    )  # fmt: skip
    rows = raw.with_row_index("play").with_columns(
        kind=first,
        made=pl.when(first.is_in(["field_goal", "free_throw"])).then(action == "GOOD"),
        value=pl.when(three).then(3).when(two).then(2).cast(pl.Int8),
        unknown=pl.when(~known).then(pl.concat_str([kind, action], separator="/", ignore_nulls=True)),
        period=whole("Period").cast(pl.Int8, strict=False),
        clock_s=decimal("ClockSeconds"),
        side=text("Team"),
        number=text("Player_UniformNumber"),
        full=pl.concat_str(
            [text("Player_FirstName"), text("Player_LastName")], separator=" ", ignore_nulls=True
        ),
        part=pl.lit(0),
    ).with_columns(place=pl.col("play"))  # fmt: skip
    shared = ("_file", "play", "place", "period", "clock_s")
    later = (
        rows.filter(text("Narrative").is_not_null())
        .select(*shared, "side", "Narrative", change=action == "SUBS")
        .with_columns(segment=pl.col("Narrative").str.split(";"))
        .with_columns(part=pl.int_ranges(0, pl.col("segment").list.len()))
        .explode("segment", "part")
        .filter((pl.col("part") > 0) | pl.col("change"))
        .with_columns(found=pl.col("segment").str.extract_groups(SEGMENT))
        .with_columns(word=pl.col("found").struct[2].str.to_uppercase())
        .filter(pl.col("word").is_not_null())
    )
    other = (
        pl.when(pl.col("side") == "HomeTeam")
        .then(pl.lit("VisitingTeam"))
        .otherwise(pl.lit("HomeTeam"))
    )
    named = later.select(
        *shared,
        kind=pl.col("word").replace_strict(SEGMENTS, return_dtype=pl.String),
        side=pl.when(pl.col("word") == "BLOCK").then(other).otherwise("side"),
        number=pl.col("found").struct[0],
        full=pl.col("found").struct[1],
        part=pl.col("part").cast(pl.Int32) + 1,
    )
    blocked = later.filter(pl.col("word") == "BLOCK").select("_file", "play")
    of_shot = rows.join(blocked, on=["_file", "play"], how="semi", maintain_order="left")
    columns = (*shared, "kind", "side", "number", "full", "part", "made", "value", "unknown")
    return pl.concat(
        [
            rows.select(columns),
            of_shot.select(
                *shared, "side", "number", "full", kind=pl.lit("blocked"), part=pl.lit(1)
            ),
            named,
        ],
        how="diagonal_relaxed",
    ).sort("play", "part", maintain_order=True)


def _identified(
    raw: pl.DataFrame, box: pl.DataFrame, games: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Give everybody an id: league, team, initial and last name, and the number where a game has two of them.

    Returns:
        Plays, lines of the box score, and flags of changes that the files lack.
    """
    teams = pl.concat(
        games.select(
            "_file", "game_id", "league", team=f"{ours}_team", team_id=f"{ours}_team_id", side=pl.lit(theirs)
        )
        for ours, theirs in (("home", "HomeTeam"), ("away", "VisitingTeam"))
    )  # fmt: skip
    lines = box.with_columns(side=pl.col("_side"), number=text("Uni"), full=text("Name"))
    names = pl.concat([raw["full"], lines["full"]]).drop_nulls().unique()
    nobody = {"", "team", "tm", *(normal_name(name) for name in teams["team"])}
    keys = {name: slug(initial_and_last(name)) for name in names if normal_name(name) not in nobody}
    plays, lines = (
        frame.with_columns(
            _key=pl.col("full").replace_strict(keys, default=None, return_dtype=pl.String),
            _number=pl.col("number").str.strip_chars_start("0").fill_null(""),
        )
        for frame in (raw, lines)
    )
    plays = _own_side(plays, lines)
    plays = plays.join(games.select("_file", game="game_id"), on="_file", maintain_order="left")
    plays = plays.join(teams, on=["_file", "side"], how="left", maintain_order="left").with_columns(
        game_id=pl.col("game")
    )
    lines = lines.filter(pl.col("_key").is_not_null()).join(
        teams, on=["_file", "side"], maintain_order="left"
    )
    lines = _by_number(lines, plays)
    seen = pl.concat(
        frame.select("team_id", "game_id", "_key", "_number") for frame in (plays, lines)
    ).drop_nulls()
    twins = (
        seen.filter(pl.col("_number") != "")
        .group_by("team_id", "game_id", "_key")
        .agg(pl.col("_number").n_unique())
        .filter(pl.col("_number") > 1)
        .select("team_id", "_key", twin=pl.lit(True))
        .unique()
    )

    def with_id(frame: pl.DataFrame) -> pl.DataFrame:
        plain = pl.concat_str(["league", "team_id", "_key"], separator="-")
        return frame.join(twins, on=["team_id", "_key"], how="left", maintain_order="left").with_columns(
            player_id=pl.when(pl.col("twin"))
            .then(pl.concat_str([plain, pl.lit("-"), "_number"]))
            .otherwise(plain),
            name=pl.col("full"),
        )  # fmt: skip

    plays, lines = with_id(plays), with_id(lines)

    def pair(column: str, at: int) -> pl.Expr:
        return (
            pl.col(column).str.extract(r"^\s*(\d+)-(\d+)\s*$", at + 1).cast(pl.Int16, strict=False)
        )

    place = pl.int_range(pl.len()).over("_file", "_side")
    lines = lines.select(
        "game_id", "team_id", "player_id", "name", "number",
        starter=place < 5,
        points=whole("Points"),
        field_goals_2_made=pair("Fgam", 0) - pair("Tpam", 0),
        field_goals_2_tried=pair("Fgam", 1) - pair("Tpam", 1),
        field_goals_3_made=pair("Tpam", 0),
        field_goals_3_tried=pair("Tpam", 1),
        free_throws_made=pair("Ftma", 0),
        free_throws_tried=pair("Ftma", 1),
        offensive_rebounds=whole("OffensiveRebounds"),
        defensive_rebounds=whole("DefensiveRebounds"),
        assists=whole("Assists"),
        steals=whole("Steals"),
        turnovers=whole("Turnovers"),
        blocks=whole("Blocks"),
        fouls_made=whole("PersonalFouls"),
    )  # fmt: skip
    return plays, lines, _uneven_changes(plays)


def _own_side(plays: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Put who helped, at a play of the other team, on the side whose box score has him alone.

    Segments without a number that name nobody of either roster say which team, not who.
    """
    roster = lines.select("_file", "side", "_key").drop_nulls().unique()
    acting = plays.filter(pl.col("part") == 0).select("_file", "side", "_key").drop_nulls().unique()
    known = pl.concat([roster, acting]).unique().with_columns(here=pl.lit(True))
    other = (
        pl.when(pl.col("side") == "HomeTeam")
        .then(pl.lit("VisitingTeam"))
        .otherwise(pl.lit("HomeTeam"))
    )
    place = ["_file", "side", "_key"]
    there = known.with_columns(side=other).rename({"here": "there"})
    plays = plays.join(known, on=place, how="left", maintain_order="left").join(
        there, on=place, how="left", maintain_order="left"
    )
    named = pl.col("part") > 0
    strange = named & pl.col("here").is_null() & pl.col("there") & (pl.col("kind") != "blocked")
    strange = strange.fill_null(False)
    unnamed = named & (pl.col("_number") == "") & pl.col("here").is_null() & ~strange
    unnamed = (unnamed & (pl.col("kind") != "blocked")) | (named & pl.col("_key").is_null())
    change = pl.col("kind").is_in(["sub_in", "sub_out"])
    plays = plays.with_columns(
        side=pl.when(strange).then(other).otherwise("side"),
        play=pl.when(~strange).then("play"),
        unnamed=unnamed & change,
        unknown=pl.when(unnamed & ~change)
        .then(pl.concat_str("kind", pl.lit(" of somebody without a name")))
        .otherwise("unknown"),
        kind=pl.when(~unnamed).then("kind"),
    ).drop("here", "there")
    blocks = plays.filter(pl.col("kind") == "block").select("_file", "play").drop_nulls()
    return pl.concat(
        [
            plays.filter(pl.col("kind").is_null() | (pl.col("kind") != "blocked")),
            plays.filter(pl.col("kind") == "blocked").join(
                blocks, on=["_file", "play"], how="semi"
            ),
        ]
    ).sort("place", "part", maintain_order=True)


def _uneven_changes(plays: pl.DataFrame) -> pl.DataFrame:
    """Flags of the games whose text has not as many who come in as go out, or does not say who."""
    coming, going = (pl.col("kind") == kind for kind in ("sub_in", "sub_out"))
    uneven = (
        plays.group_by("game_id", "side", "period", "clock_s")
        .agg(pl.col("unnamed").sum(), uneven=coming.sum() != going.sum())
        .group_by("game_id")
        .agg(pl.col("uneven", "unnamed").sum())
        .filter(pl.col("uneven") + pl.col("unnamed") > 0)
        .sort("game_id")
    )
    reason = pl.format(
        "at {} not as many come in as go out; {} not say who",
        counted_expr("uneven", "moment"),
        counted_expr("unnamed", "change does", "changes do"),
    )
    return uneven.select(
        "game_id", check=pl.lit("substitutions"), scope=pl.lit("note"), reason=reason
    ).cast(flag_frame().schema)  # fmt: skip


def _by_number(lines: pl.DataFrame, plays: pl.DataFrame) -> pl.DataFrame:
    """Box scores write ``A. BELINGA`` for Arielle-Vadrelle: found by number and last word of the name."""
    place = ["game_id", "team_id"]
    known = [
        frame.select(*place, "_key", "_number").drop_nulls().unique(maintain_order=True)
        for frame in (lines, plays)
    ]
    last = pl.col("_key").str.extract(r"([^-]+)$").alias("_last")
    official, ours = (
        mine.join(other, on=[*place, "_key"], how="anti").with_columns(last)
        for mine, other in (known, known[::-1])
    )
    same = (
        official.join(ours, on=[*place, "_number", "_last"], suffix="_ours")
        .filter(pl.len().over(*place, "_key") == 1)
        .select(*place, "_key", "_key_ours")
    )
    return lines.join(
        same, on=[*place, "_key"], how="left", maintain_order="left"
    ).with_columns(_key=pl.coalesce("_key_ours", "_key"))  # fmt: skip


# -- JSON ----------------------------------------------------------------------------------------


def _document(path: Path, content: Any) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """A game's plays, its line in the list of games and its box score, in the tables' columns."""
    game = content.get("Game") if isinstance(content, dict) else None
    plays = content.get("Plays") if isinstance(content, dict) else None
    if not isinstance(game, dict) or not isinstance(plays, list):
        raise BadInputError([Problem(str(path), None, "Game", "another form", FILES)])
    name = str(path)
    line: dict[str, str | None] = {"_file": name}
    for column in ("Date", "PeriodsRegulation"):
        line[column] = _text(game.get(column))
    line["Rules"] = json.dumps(game.get("Rules")) if isinstance(game.get("Rules"), dict) else None
    for side in ("HomeTeam", "VisitingTeam"):
        team = game.get(side)
        for key in ("Name", "Score"):
            line[f"{side}_{key}"] = _text(team.get(key)) if isinstance(team, dict) else None
    rows = []
    for play in plays:
        if not isinstance(play, dict):
            continue
        player = play.get("Player")
        known = player if isinstance(player, dict) else {}
        row = {"_file": name} | {c: _text(play.get(c)) for c in PLAYS[1:]}
        rows.append(row | {c: _text(known.get(c.removeprefix("Player_"))) for c in PLAYER})
    return (
        _frame(rows, [*PLAYS, *PLAYER]),
        _frame([line], GAMES),
        _frame(list(_lines(name, content.get("Stats"))), BOX),
    )


def _lines(name: str, stats: Any) -> Iterator[dict[str, str | None]]:
    for side in ("HomeTeam", "VisitingTeam"):
        team = stats.get(side) if isinstance(stats, dict) else None
        groups = team.get("PlayerGroups") if isinstance(team, dict) else None
        group = groups.get("Players") if isinstance(groups, dict) else None
        values = group.get("Values") if isinstance(group, dict) else None
        for value in values if isinstance(values, list) else []:
            if isinstance(value, dict):
                row: dict[str, str | None] = {c: _text(value.get(c)) for c in BOX[2:]}
                yield row | {"_file": name, "_side": side}


def _frame(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {c: [row.get(c) for row in rows] for c in columns}, schema=dict.fromkeys(columns, pl.String)
    )


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int, float)) and str(value).strip() else None

"""stats.nba.com, version 3: ``playbyplayv3`` (JSON ``game.actions`` or a table) and box scores.

Assists stand only in the text of the shot (``(Burton 1 AST)``), and who comes in only in that of the
change (``SUB: Leite FOR Hayes``): by the name that other rows of his have in their text (``D. Robinson``
where two of the team are called so), in this game or else in the team's others of the file, and by last
name. Whoever comes in and is in no other row is known by his team and name alone. A name that two
players of a team share is not guessed: the row is left out and the game flagged. Blocks and steals are
rows without a type. Rows of a team have its id in place of the player's. Who draws a foul is not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript, nba
from openbasket.transcripts.formats import Peek, load_json, peek
from openbasket.transcripts.names import normal_name, slug, text
from openbasket.transcripts.nba_actions import box_line, integer, listed, words
from openbasket.transcripts.plays import iso_clock_seconds

__all__ = ["FILES", "matches", "read"]

FILES = (
    "stats.nba.com playbyplayv3, as JSON (game.actions) or a table with actionType, and box scores"
)
COLUMNS = (
    "gameId", "actionNumber", "clock", "period", "teamId", "personId", "playerName", "playerNameI",
    "shotResult", "location", "description", "actionType", "subType", "shotValue",
    "xLegacy", "yLegacy",
)  # fmt: skip
NEEDED = (
    "clock", "period", "teamId", "personId", "playerName", "description", "actionType", "subType",
    "shotResult",
)  # fmt: skip
#: actionType -> kind; ``None`` is known and left out, "" is told by the text.
KINDS = {
    "made shot": "field_goal",
    "missed shot": "field_goal",
    "heave": "field_goal",
    "free throw": "free_throw",
    "rebound": "rebound",
    "turnover": "turnover",
    "foul": "foul",
    "substitution": "sub_out",
    "timeout": "timeout",
    "jump ball": "jump_ball",
    "period": "period",
    "": "",
    "violation": None,
    "ejection": None,
    "instant replay": None,
    "stoppage": None,
    "game": None,
    "memo": None,
}
ASSIST = re.compile(r"\(([^()]+?) \d+ AST\)")
CHANGE = re.compile(r"^SUB:\s*(.+?) FOR (.+?)\s*$")
NOT_PERSONAL = ("technical", "defense 3 second", "delay", "taunting", "too many players", "excess")


def matches(seen: Peek) -> bool:
    """Whether a file is of stats.nba.com, version 3."""
    for at in ("", "[]."):
        if seen.has(f"{at}boxScoreTraditional.gameId"):
            return True
        if seen.has(f"{at}game.gameId", f"{at}game.actions"):
            live = ("timeActual", "personIdsFilter")
            return not any(seen.has(f"{at}game.actions[].{key}") for key in live)
    return (seen.like(NEEDED) and not seen.like(("timeActual",))) or nba.is_box(seen)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each league and season.

    Raises:
        BadInputError: damaged files, game ids that tell no league.
    """
    parts: list[pl.DataFrame] = []
    lines: list[dict[str, Any]] = []
    games: list[dict[str, Any]] = []
    tables: list[pl.DataFrame] = []
    for file in files:
        seen = peek(file)
        if seen.like(NEEDED):
            optional = tuple(c for c in COLUMNS if c not in NEEDED)
            frame = nba.read_columns(file, seen, NEEDED, optional).select(COLUMNS)
            parts.append(nba.with_game_id(frame, "gameId", file))
            continue
        if nba.is_box(seen):
            tables.append(nba.read_box(file, seen))
            continue
        content = load_json(file)
        for answer in content if isinstance(content, list) else [content]:
            box = answer.get("boxScoreTraditional") if isinstance(answer, dict) else None
            if isinstance(box, dict):
                game = _box_game(box)
                if game:
                    games.append(game)
                    lines += _lines(str(box.get("gameId")), box)
            else:
                parts.append(nba.with_game_id(_actions(file, answer), "gameId", file))
    if not parts:
        return
    actions = pl.concat(parts)
    same = ["gameId", "period", "clock", "actionNumber", "actionType", "personId", "description"]
    actions = actions.unique(same, keep="first", maintain_order=True)  # a game in two files
    found, names = _sides(actions, games)
    box_lines = [pl.DataFrame(lines, infer_schema_length=None)] if lines else []
    box_lines += [nba.box_lines(table) for table in tables]
    box = pl.concat(box_lines, how="diagonal_relaxed") if box_lines else None
    plays = _plays(actions, box)
    yield from nba.transcripts(
        "nba_stats_v3",
        found,
        plays,
        options,
        str(files[0].parent),
        box=box,
        people=names,
    )


def _actions(file: Path, content: Any) -> pl.DataFrame:
    game = content.get("game") if isinstance(content, dict) else None
    actions = game.get("actions") if isinstance(game, dict) else None
    if not isinstance(game, dict) or not isinstance(actions, list) or not words(game.get("gameId")):
        raise BadInputError([Problem(str(file), None, "game.actions", "no list of actions", FILES)])
    rows = [{**action, "gameId": game["gameId"]} for action in listed(actions)]
    return pl.DataFrame(
        {c: [None if r.get(c) is None else str(r.get(c)) for r in rows] for c in COLUMNS},
        schema=dict.fromkeys(COLUMNS, pl.String),
    )


def _box_game(box: dict[str, Any]) -> dict[str, Any] | None:
    row: dict[str, Any] = {"game_id": f"nba{box.get('gameId')}"}
    for side in ("home", "away"):
        team = box.get(f"{side}Team")
        known = team if isinstance(team, dict) else {}
        number = integer(known.get("teamId")) or integer(box.get(f"{side}TeamId"))
        if not number:
            return None
        row[f"{side}_team_id"] = f"nba{number}"
        both = (words(known.get(key)) for key in ("teamCity", "teamName"))
        row[f"{side}_team"] = " ".join(filter(None, both)) or None
        totals = known.get("statistics")
        row[f"{side}_score"] = integer(totals.get("points")) if isinstance(totals, dict) else None
    return row


def _lines(name: str, box: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for side in ("homeTeam", "awayTeam"):
        team = box.get(side)
        if not isinstance(team, dict):
            continue
        for player in listed(team.get("players")):
            numbers = player.get("statistics")
            clock = words(numbers.get("minutes")) if isinstance(numbers, dict) else None
            minutes = re.match(r"^(\d+):(\d{2})$", clock or "")
            seconds = 60.0 * int(minutes[1]) + int(minutes[2]) if minutes else 0.0
            line = box_line(name, team.get("teamId"), player, seconds)
            if line:
                yield line | {"starter": bool(words(player.get("position")))}


def _sides(actions: pl.DataFrame, games: list[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Games with their sides, from box scores or the column ``location``; and the players' names."""
    told = (
        actions.filter(text("location").is_in(["h", "v"]) & _team().is_not_null())
        .group_by(game_id=pl.concat_str([pl.lit("nba"), "gameId"]), side="location", team=_team())
        .len()
        .sort("game_id", "side", "len", "team", descending=[False, False, True, False])
        .unique(["game_id", "side"], keep="first", maintain_order=True)
        .pivot("side", index="game_id", values="team")
    )
    for side in ("h", "v"):
        if side not in told.columns:
            told = told.with_columns(pl.lit(None, pl.String).alias(side))
    told = told.select("game_id", home_team_id="h", away_team_id="v").drop_nulls()
    schema = {"game_id": pl.String, "home_team_id": pl.String, "away_team_id": pl.String,
              "home_team": pl.String, "away_team": pl.String, "home_score": pl.Int16,
              "away_score": pl.Int16}  # fmt: skip
    boxed = pl.DataFrame(games, schema=schema, orient="row").unique("game_id", keep="first")
    played = told.select("game_id") if boxed.is_empty() else actions.select(
        game_id=pl.concat_str([pl.lit("nba"), "gameId"])
    ).unique()  # fmt: skip
    found = pl.concat(
        [boxed.join(played, on="game_id", how="semi"), told.join(boxed, on="game_id", how="anti")],
        how="diagonal",
    )
    names = (
        actions.select(player_id=nba.person("personId"), name=text("playerName"))
        .drop_nulls()
        .unique("player_id", keep="first", maintain_order=True)
    )
    return found, names


def _team() -> pl.Expr:
    team, person = nba.whole("teamId"), nba.whole("personId")
    number = pl.when(team > 0).then(team).when(person >= nba.TEAMS_FROM).then(person)
    return pl.concat_str([pl.lit("nba"), number.cast(pl.String)])


def _plays(actions: pl.DataFrame, box: pl.DataFrame | None) -> pl.DataFrame:
    said = pl.col("description").fill_null("")
    what = text("actionType").fill_null("").str.to_lowercase()
    sub = text("subType").fill_null("").str.to_lowercase()
    known = {k: v for k, v in KINDS.items() if v}
    base = pl.when((what == "") & said.str.contains("BLOCK", literal=True)).then(pl.lit("block")).when(
        (what == "") & said.str.contains("STEAL", literal=True)
    ).then(pl.lit("steal")).when(what == "period").then(
        pl.when(sub == "start").then(pl.lit("period_start")).when(sub == "end").then(pl.lit("period_end"))
    ).otherwise(what.replace_strict(known, default=None, return_dtype=pl.String))  # fmt: skip
    made = (
        pl.when(what == "made shot")
        .then(True)
        .when(what == "missed shot")
        .then(False)
        .when(text("shotResult").is_not_null())
        .then(text("shotResult").str.to_lowercase() == "made")
        .when(what == "free throw")
        .then(~said.str.starts_with("MISS"))
    )
    three = (nba.whole("shotValue") == 3) | said.str.contains("3PT", literal=True)
    timed = actions.with_columns(
        game="gameId",
        period=nba.whole("period").cast(pl.Int8, strict=False),
        clock_s=iso_clock_seconds(pl.col("clock")),
        _number=nba.whole("actionNumber"),
    )
    rows = nba.in_order(timed, "_number").with_columns(
        game_id=pl.concat_str([pl.lit("nba"), "gameId"]),
        team_id=_team(),
        player_id=nba.person("personId"),
        name=text("playerName"),
        kind=base,
        made=made,
        value=pl.when(base == "field_goal")
        .then(pl.when(three).then(3).otherwise(2))
        .when(base == "free_throw")  # the G League shoots one for two or three points
        .then(said.str.extract(r"Free (?:Throw|Technical) (\d)\s?PT").cast(pl.Int32)),
        label=_label(),
        play=pl.int_range(pl.len()),
        unknown=pl.when(~what.is_in(list(KINDS))).then(what),
        off=said.str.extract(r"\(Off:(\d+) Def:").cast(pl.Int32, strict=False),
        **{
            f"{axis}_m": pl.when(base == "field_goal").then(
                text(f"{axis}Legacy").cast(pl.Float32, strict=False) * nba.FEET_TENTH_M
            )
            for axis in "xy"
        },
    )
    # A foul without a player is of the bench; technicals are no personal foul.
    personal = pl.col("player_id").is_not_null() & ~pl.any_horizontal(
        sub.str.contains(word, literal=True) for word in NOT_PERSONAL
    )
    miss = (
        pl.when(pl.col("kind").is_in(["field_goal", "free_throw"]))
        .then(pl.when(pl.col("made")).then(pl.lit("")).otherwise("team_id"))
        .forward_fill()
        .over("game_id", "period")
    )
    more = pl.col("off") - pl.col("off").forward_fill().shift(1).over(
        "game_id", "player_id"
    ).fill_null(0)
    offensive = (
        pl.when(pl.col("off").is_not_null()).then(more > 0).otherwise(miss == pl.col("team_id"))
    )
    rows = rows.with_columns(
        kind=pl.when((pl.col("kind") == "foul") & ~personal)
        .then(None)
        .when((pl.col("kind") == "rebound") & offensive.fill_null(False))
        .then(pl.lit("offensive_rebound"))
        .when(pl.col("kind") == "rebound")
        .then(pl.lit("defensive_rebound"))
        .otherwise("kind")
    )
    # Blocks and steals belong to the play of the row before; in the same action the number is the same.
    rows = rows.with_columns(
        play=pl.col("play").min().over("game_id", "actionNumber")
        if rows["actionNumber"].null_count() == 0
        else pl.col("play")
    )
    blocks = rows.filter(pl.col("kind") == "block").select("game_id", "play").unique()
    blocked = (
        rows.filter((pl.col("kind") == "field_goal") & ~pl.col("made"))
        .join(blocks, on=["game_id", "play"], how="semi", maintain_order="left")
        .select("game_id", "period", "clock_s", "team_id", "player_id", "name", "play")
        .with_columns(kind=pl.lit("blocked"))
    )
    return _named(rows, blocked, box)


def _label() -> pl.Expr:
    """The player as the text of his row has him: up to his name, or who leaves in a change."""
    said = pl.col("description").fill_null("")
    out = said.str.extract(r"^SUB:\s*.+? FOR (.+?)\s*$")
    name = text("playerName")
    before = said.str.find(name.fill_null("\x00"), literal=True)
    upto = said.str.strip_prefix("MISS ")
    shift = said.str.len_bytes() - upto.str.len_bytes()
    whole = upto.str.slice(0, (before + name.str.len_bytes() - shift).cast(pl.Int64))
    return pl.coalesce(out, pl.when(before.is_not_null()).then(whole))


def _directory(rows: pl.DataFrame, box: pl.DataFrame | None) -> dict[tuple[Any, ...], set[str]]:
    """(game, team, how he is named) -> players; (team, name) as the texts of any game have it, too."""
    found: dict[tuple[Any, ...], set[str]] = {}
    columns = ("game_id", "team_id", "player_id")
    known = rows.drop_nulls(columns)
    for game, team, player, label in known.select(*columns, "label").drop_nulls().unique().rows():
        for key in ((game, team, label), (team, label)):
            found.setdefault(key, set()).add(player)
    names = [known.select(*columns, name=n).drop_nulls() for n in ("name", "playerNameI")]
    names += [box.select(*columns, "name").drop_nulls()] if box is not None else []
    for game, team, player, name in pl.concat(names).unique().rows():
        parts = normal_name(name).split()
        short = {" ".join(parts[start:]) for start in range(len(parts))}
        short |= {" ".join([parts[0][0], *parts[1:]])} if len(parts) > 1 else set()
        for one in short:
            found.setdefault((game, team, "name", one), set()).add(player)
    return found


def _named(rows: pl.DataFrame, blocked: pl.DataFrame, box: pl.DataFrame | None) -> pl.DataFrame:
    """Add rows of who is blocked, and of those who are told by name alone: assists and who comes in."""
    directory = _directory(rows, box)
    extra: list[dict[str, Any]] = []
    wanted = rows.filter(
        ((pl.col("kind") == "field_goal") & pl.col("made")) | (pl.col("kind") == "sub_out")
    )
    for row in wanted.select(
        "game_id", "team_id", "period", "clock_s", "kind", "description", "play"
    ).rows(named=True):
        said = row["description"] or ""
        found = ASSIST.search(said) if row["kind"] == "field_goal" else CHANGE.match(said)
        if not found:
            continue
        game, team, label = row["game_id"], row["team_id"], found[1]
        people = (
            directory.get((game, team, label))
            or directory.get((game, team, "name", normal_name(label)))
            or directory.get((team, label), set())
        )
        kind = "assist" if row["kind"] == "field_goal" else "sub_in"
        one = next(iter(people)) if len(people) == 1 else None
        if not people and kind == "sub_in":  # comes in and is in no other row: known by name alone
            one = f"{row['team_id']}-{slug(found[1])}"
        extra.append(
            {
                **{k: row[k] for k in ("game_id", "team_id", "period", "clock_s", "play")},
                "kind": kind if one else None,
                "player_id": one,
                "name": found[1],
                "unknown": None
                if one
                else f"{kind} of {found[1]!r}, whom the game names {len(people)} times",
            }
        )
    added = pl.DataFrame(extra, schema_overrides={"period": pl.Int8}, infer_schema_length=None)
    return (
        pl.concat(
            [frame.with_columns(_after=n) for n, frame in enumerate((rows, blocked, added))],
            how="diagonal_relaxed",
        )
        .with_columns(_first=pl.col("play"))
        .sort("game_id", "_first", "_after", maintain_order=True)
    )

"""Provider files in, standard tables out. One file a provider; :mod:`.formats` lists them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from openbasket import leagues
from openbasket.errors import BadInputError, ConfigError, Problem
from openbasket.memory import seldom_collected
from openbasket.progress import status
from openbasket.tables import GENDERS, ID_PATTERN, SEASON_PATTERN
from openbasket.transcripts.formats import PROVIDERS
from openbasket.wording import counted, numberless
from openbasket.workspace import BY_SEASON

if TYPE_CHECKING:
    import polars as pl

    from openbasket.tables import TableName
    from openbasket.workspace import Workspace

__all__ = ["PROVIDERS", "ImportOptions", "ImportReport", "Transcript", "import_files"]

HINT = "See the how-to page 'Import transcripts' for the files that belong to a game."


@dataclass(frozen=True)
class ImportOptions:
    """What files do not say of their league; ``None`` leaves it to the provider's defaults.

    Args:
        league: league identifier, a file name.
        season: such as ``"21-22"``.
        gender: "men" or "women".
        region: such as "Europe".
    """

    league: str | None = None
    season: str | None = None
    gender: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        faults = [
            f"{name}: got {given!r}; allowed: {allowed}"
            for name, given, allowed, good in (
                (
                    "league",
                    self.league,
                    "up to 100 letters, digits and ._-",
                    _matches(ID_PATTERN, self.league),
                ),
                ("season", self.season, "such as 21-22", _is_season(self.season)),
                ("gender", self.gender, "men or women", self.gender in (None, *GENDERS)),
            )
            if not good
        ]
        if faults:
            raise ConfigError("import options: " + "; ".join(faults))

    def place(self, league: str) -> tuple[str, str, str | None]:
        """League, gender and region, for files of ``league`` (what a person says counts more)."""
        key = self.league or league
        known = leagues.league(key) or leagues.league(league)
        gender = self.gender or (known.gender if known else "men")
        return key, gender, self.region or (known.region if known else None)


def _matches(pattern: str, text: str | None) -> bool:
    return text is None or re.fullmatch(pattern, text) is not None


def _is_season(text: str | None) -> bool:
    """Whether it is two years, one after the other."""
    if text is None or not _matches(SEASON_PATTERN, text):
        return text is None
    return (int(text[:2]) + 1) % 100 == int(text[3:])


@dataclass(frozen=True)
class Transcript:
    """The games of one league and season, in the standard tables.

    Args:
        league: league identifier, a file name.
        season: such as ``"21-22"``.
        games: table ``games``.
        players: table ``players``.
        appearances: table ``appearances``.
        box_scores: table ``box_scores``; empty where the provider publishes none.
        events: table ``events``.
        notes: what was odd in the files and how it was read.
        flags: table ``flags``: what of these games is not to be trusted; ``None`` is nothing.
    """

    league: str
    season: str
    games: pl.DataFrame
    players: pl.DataFrame
    appearances: pl.DataFrame
    box_scores: pl.DataFrame
    events: pl.DataFrame
    notes: tuple[str, ...] = ()
    flags: pl.DataFrame | None = None


#: A note's first number and the rest.
_NUMBERED = re.compile(r"(\d[\d,]*(?= ))?(.*)", re.DOTALL)


@dataclass
class ImportReport:
    """What an import wrote: one dictionary of counts for each league and season, and what was odd.

    Args:
        seasons: the counts.
        remarks: (league and season, note) of each season; of all files together, with no name.
    """

    seasons: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """Every note, with its league and season before it."""
        return [f"{place}: {note}" if place else note for place, note in self.remarks]

    def merged_notes(self) -> list[str]:
        """Notes for printing: what several seasons share is told once, with the range of its first number."""
        places: dict[tuple[bool, str], dict[str, None]] = {}
        told: dict[tuple[bool, str], list[tuple[int, str]]] = {}
        for place, note in self.remarks:
            number, text = _NUMBERED.fullmatch(note).groups()  # type: ignore[union-attr]
            key = (number is not None, numberless(text) if number else text)
            places.setdefault(key, {})[place] = None
            told.setdefault(key, []).append((int((number or "0").replace(",", "")), text))
        found = []
        for key, named in places.items():
            (low, _), (high, said) = min(told[key]), max(told[key])  # many, if there are
            if key[0]:
                said = f"{low:,}{said}" if low == high else f"{low:,} to {high:,}{said}"
            where = [*named]
            if len(where) > 1:
                where = [
                    f"{len(where)} seasons ({', '.join(where[:3])}{', ...' * (len(where) > 3)})"
                ]
            found.append(f"{where[0]}: {said}" if where[0] else said)
        return found

    def rows(self) -> list[tuple[str, ...]]:
        """Rows for printing: league, season, games, players, events, stints, flagged games."""
        return [
            (
                s["league"],
                s["season"],
                *(f"{s[k]:,}" for k in ("games", "players", "events", "stints", "flagged")),
            )
            for s in self.seasons
        ]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {"seasons": self.seasons, "notes": self.notes}


def import_files(
    name: str,
    inputs: Sequence[str | Path],
    workspace: Workspace,
    *,
    options: ImportOptions | None = None,
    quiet: bool = False,
) -> ImportReport:
    """Read files of a provider and write their games into a workspace.

    Games that are already there are replaced, others of the same season stay. A league and season
    is written only when all of it is right.

    Args:
        name: provider, one of :data:`PROVIDERS`, or ``auto``: each file's format is found by its content.
        inputs: files, folders, ``.gz`` or ``.zip`` of them, or fsspec URLs.
        workspace: where to write.
        options: what the files do not say.
        quiet: show no progress.

    Raises:
        UnknownNameError: no such provider.
        BadInputError: files or rows that cannot be used.
    """
    from openbasket.transcripts.formats import module, sort_files, unknown_file
    from openbasket.transcripts.inputs import staged

    options = options or ImportOptions()
    if name != "auto":
        module(name)
    report = ImportReport()
    with (
        seldom_collected(),
        staged(inputs) as paths,
        status(f"reading {name} files", quiet=quiet) as tell,
    ):
        found, strange = sort_files(name, paths)
        named = [file for file in strange if file in paths]
        unread = named or ([] if found else strange)
        if unread:
            allowed = module(name).FILES if name != "auto" else "a file of a known provider"
            more = "" if found else f"There are no games in {counted(len(strange), 'file')}. "
            raise BadInputError(
                (unknown_file(file, allowed) for file in unread[:20]),
                f"{more}Known providers: {', '.join(PROVIDERS)}. {HINT}",
            )
        if strange and found:
            some = ", ".join(file.name for file in strange[:5])
            others = counted(len(strange), "other file was", "other files were")
            report.remarks.append(("", f"{others} not read: {some}"))
        with _writer() as writer:
            writing: list[tuple[str, Future[dict[str, Any]]]] = []
            for one, files in found.items():
                for transcript in _of_one_season(module(one).read(files, options), options):
                    report.seasons += [{"provider": by} | done.result() for by, done in writing]
                    label = f"{transcript.league} {transcript.season}"
                    tell(f"importing {label}")
                    writing = [(one, writer.submit(_write, transcript, workspace))]
                    report.remarks += [(label, note) for note in transcript.notes]
                    if options.season and (outside := _outside(transcript)):
                        dated = counted(outside, "game is dated", "games are dated")
                        report.remarks.append((label, f"{dated} in other years"))
            report.seasons += [{"provider": by} | done.result() for by, done in writing]
    for told, one, many in (
        (
            "replaced",
            "game of another provider is replaced",
            "games of another provider are replaced",
        ),
        (
            "told_twice",
            "game was there already under another name; it is flagged and does not count",
            "games were there already under another name; they are flagged and do not count",
        ),
    ):
        report.remarks += [
            (f"{s['league']} {s['season']}", counted(s[told], one, many))
            for s in report.seasons
            if s[told]
        ]
    if not report.seasons:
        given = ", ".join(map(str, inputs))
        problems = [
            Problem(
                given,
                None,
                None,
                f"no games: no play-by-play among the files of {one}",
                module(one).FILES,
            )
            for one in found
        ]
        nothing = Problem(given, None, None, "no games", "files of one of the providers")
        raise BadInputError(problems or [nothing], HINT)
    return report


class _AtOnce(Executor):
    """Does each piece of work when it is given."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **more))
        return done


def _writer() -> Executor:
    """Writes a season while the next one is read (two are in memory then), where there are threads for it.

    With ``POLARS_MAX_THREADS=1``, as for imports side by side, a second thread only stands in the way.
    """
    import polars as pl

    return ThreadPoolExecutor(1) if pl.thread_pool_size() > 1 else _AtOnce()


def prepared(transcript: Transcript) -> dict[str, pl.DataFrame]:
    """The tables of a transcript, validated, with ``stints`` and ``flags``.

    Raises:
        BadInputError: rows that break their table, or tables that do not fit together.
    """
    from openbasket import tables
    from openbasket.transcripts.checks import in_order, require_sound
    from openbasket.transcripts.flags import flags
    from openbasket.transcripts.stints import stints

    where = f"{transcript.league} {transcript.season}"
    names: tuple[tables.TableName, ...] = (
        "games", "appearances", "box_scores", "events", "players",
    )  # fmt: skip
    frames = {
        str(name): tables.validate(name, getattr(transcript, name), f"{where}, table '{name}'")
        for name in names
    }
    frames["events"] = in_order(frames["events"])
    require_sound(where, frames["games"], frames["appearances"], frames["events"])
    frames["stints"] = stints(
        frames["games"], frames["appearances"], frames["events"], frames["box_scores"]
    )
    frames["flags"] = flags(frames, transcript.flags)
    return frames


def _of_one_season(found: Iterator[Transcript], options: ImportOptions) -> Iterator[Transcript]:
    """The transcripts, unless a person names the season and they are of several; then none is written."""
    if options.season is None:
        yield from found
        return
    held = list(found)
    seasons = Counter(transcript.league for transcript in held)
    several = sorted(league for league, count in seasons.items() if count > 1)
    if several:
        raise BadInputError(
            (
                Problem(
                    league, None, "season", "files of several seasons", f"of {options.season} alone"
                )
                for league in several
            ),
            hint="Leave --season out, or import the files of one season at a time.",
        )
    yield from held


def _outside(transcript: Transcript) -> int:
    """Games dated in a year that is none of the season's two."""
    years = transcript.games["date"].dt.year().drop_nulls() - 2000 - int(transcript.season[:2])
    return int((~years.is_in([0, 1])).sum())


def _write(transcript: Transcript, workspace: Workspace) -> dict[str, Any]:
    """Write a season's tables, all or none; one import at a time."""
    import polars as pl

    from openbasket.transcripts.checks import in_order

    pair = (transcript.league, transcript.season)
    with workspace.locked():
        old = {
            name: workspace.read(name, *pair)
            for name in cast("tuple[TableName, ...]", BY_SEASON)
            if workspace.has_season(name, *pair)
        }
        transcript, replaced = _with_what_is_known(transcript, old)
        frames = prepared(transcript)
        twice = _told_twice(frames["games"], old)
        frames["flags"] = pl.concat([frames["flags"], twice])
        players = frames.pop("players")
        new_games = frames["games"]["game_id"].implode()
        with workspace.together() as write:
            for table, frame in frames.items():
                kept = frame
                if table in old:
                    others = old[table].filter(~pl.col("game_id").is_in(new_games))
                    kept = pl.concat([others, frame])
                keys = ("game_id", "team_id", "player_id", "first_order", "check", "reason")
                kept = (
                    in_order(kept) if table == "events" else kept.sort(c for c in keys if c in kept)
                )
                write(table, kept, *pair, checked=table not in old)
            write("players", _merged_players(players, workspace))
    return {
        "league": transcript.league,
        "season": transcript.season,
        "games": frames["games"].height,
        "players": players.height,
        "events": frames["events"].height,
        "stints": frames["stints"].height,
        "flagged": frames["flags"].filter(pl.col("scope") != "note")["game_id"].n_unique(),
        "told_twice": twice.height,
        "replaced": replaced,
    }


def _with_what_is_known(
    transcript: Transcript, old: Mapping[TableName, pl.DataFrame]
) -> tuple[Transcript, int]:
    """Keep what is known of games that come again with less: their date, names, score, video and box scores.

    Returns:
        The transcript, and the number of its games that were there from another provider.
    """
    import polars as pl

    if "games" not in old:
        return transcript, 0
    known = old["games"]
    games = transcript.games.join(
        known.select("game_id", pl.exclude("game_id").name.suffix("_known")),
        on="game_id",
        how="left",
        maintain_order="left",
    )
    replaced = games.filter(pl.col("source") != pl.col("source_known")).height
    games = games.select(
        "game_id",
        *(
            pl.coalesce(c, f"{c}_known") if c in transcript.games else pl.col(f"{c}_known").alias(c)
            for c in known.columns
            if c != "game_id"
        ),
    )
    box = transcript.box_scores
    if "box_scores" in old:
        again = old["box_scores"].filter(
            pl.col("game_id").is_in(transcript.games["game_id"].implode())
            & ~pl.col("game_id").is_in(box["game_id"].implode())
        )
        box = pl.concat([box, again.select(box.columns).cast(box.schema)]) if again.height else box
    return replace(transcript, games=games, box_scores=box), replaced


def _told_twice(games: pl.DataFrame, old: Mapping[TableName, pl.DataFrame]) -> pl.DataFrame:
    """Flags of the games that are there under another name already."""
    import polars as pl

    from openbasket.transcripts.twice import CHECK, told_twice

    counted = old.get("games", games.clear())
    out = [games["game_id"]]
    if "flags" in old:
        out.append(old["flags"].filter(pl.col("check") == CHECK)["game_id"])
    return told_twice(games, counted.filter(~pl.col("game_id").is_in(pl.concat(out).implode())))


def _merged_players(players: pl.DataFrame, workspace: Workspace) -> pl.DataFrame:
    """All people; what is already known of a person stays, gaps are filled."""
    import polars as pl

    if workspace.has("players"):
        players = pl.concat([workspace.read("players"), players])
    columns = [c for c in players.columns if c != "player_id"]
    merged = players.group_by("player_id").agg(pl.col(c).drop_nulls().first() for c in columns)
    return merged.select(players.columns).sort("player_id")

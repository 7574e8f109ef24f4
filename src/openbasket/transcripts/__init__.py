"""Provider files in, standard tables out. One file a provider; a table of strings lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from openbasket.errors import BadInputError, Problem, UnknownNameError

if TYPE_CHECKING:
    import polars as pl

    from openbasket.workspace import Workspace

__all__ = ["PROVIDERS", "ImportReport", "Transcript", "import_files", "provider"]

#: name -> "module:function"; the function takes paths and yields transcripts.
PROVIDERS: dict[str, str] = {
    "euroleague": "openbasket.transcripts.euroleague:read",
    "generic_csv": "openbasket.transcripts.generic_csv:read",
}


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
    """

    league: str
    season: str
    games: pl.DataFrame
    players: pl.DataFrame
    appearances: pl.DataFrame
    box_scores: pl.DataFrame
    events: pl.DataFrame
    notes: tuple[str, ...] = ()


Reader = Callable[[Sequence[Path]], Iterator[Transcript]]


@dataclass
class ImportReport:
    """What an import wrote: one dictionary of counts for each league and season."""

    seasons: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, ...]]:
        """Rows for printing: league, season, games, players, events, stints."""
        return [
            (
                s["league"],
                s["season"],
                *(f"{s[k]:,}" for k in ("games", "players", "events", "stints")),
            )
            for s in self.seasons
        ]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {"seasons": self.seasons, "notes": self.notes}


def provider(name: str) -> Reader:
    """Return the reader of a provider.

    Raises:
        UnknownNameError: no such provider; the message suggests the nearest.
    """
    if name not in PROVIDERS:
        raise UnknownNameError("provider", name, tuple(PROVIDERS))
    module, function = PROVIDERS[name].split(":")
    return cast(Reader, getattr(import_module(module), function))


def import_files(
    name: str, paths: Sequence[Path], workspace: Workspace, *, quiet: bool = False
) -> ImportReport:
    """Read files of a provider and write their games into a workspace.

    Games that are already there are replaced, others of the same season stay. A league and season
    is written only when all of it is right.

    Args:
        name: provider, one of :data:`PROVIDERS`.
        paths: files or folders.
        workspace: where to write.
        quiet: show no progress.

    Raises:
        UnknownNameError: no such provider.
        BadInputError: files or rows that cannot be used.
    """
    from rich.console import Console

    read = provider(name)
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise BadInputError(
            Problem(str(path), None, None, "no such file", "a file or folder") for path in missing
        )
    report = ImportReport()
    console = Console(stderr=True, quiet=quiet)
    with console.status(f"reading {name} files") as status:
        for transcript in read(list(paths)):
            status.update(f"writing {transcript.league} {transcript.season}")
            report.seasons.append(_write(transcript, workspace))
            label = f"{transcript.league} {transcript.season}"
            report.notes += [f"{label}: {note}" for note in transcript.notes]
    if not report.seasons:
        raise BadInputError(
            [Problem(", ".join(map(str, paths)), None, None, "no games", f"files of {name}")],
            hint="See the how-to page 'Import transcripts' for the files that belong to a game.",
        )
    return report


def _write(transcript: Transcript, workspace: Workspace) -> dict[str, Any]:
    import polars as pl

    from openbasket import tables
    from openbasket.transcripts.checks import require_sound
    from openbasket.transcripts.stints import stints

    where = f"{transcript.league} {transcript.season}"
    pair = (transcript.league, transcript.season)
    frames = {
        "games": transcript.games,
        "appearances": transcript.appearances,
        "box_scores": transcript.box_scores,
        "events": transcript.events,
    }
    frames = {
        table: tables.validate(cast(Any, table), frame, f"{where}, table '{table}'")
        for table, frame in frames.items()
    }
    players = tables.validate("players", transcript.players, f"{where}, table 'players'")
    require_sound(where, frames["games"], frames["appearances"], frames["events"])
    frames["stints"] = stints(frames["games"], frames["appearances"], frames["events"])
    sort = {"games": ["game_id"], "events": ["game_id", "order"]}
    new_games = frames["games"]["game_id"]
    for table, frame in frames.items():
        kept = frame
        if pair in workspace.seasons(cast(Any, table)):
            old = workspace.read(cast(Any, table), *pair)
            kept = pl.concat([old.filter(~pl.col("game_id").is_in(new_games.implode())), frame])
        order = sort.get(table) or [
            c for c in ("game_id", "team_id", "player_id", "first_order") if c in kept
        ]
        workspace.write(cast(Any, table), kept.sort(order), *pair)
    _merge_players(players, workspace)
    return {
        "league": transcript.league,
        "season": transcript.season,
        "games": frames["games"].height,
        "players": players.height,
        "events": frames["events"].height,
        "stints": frames["stints"].height,
    }


def _merge_players(players: pl.DataFrame, workspace: Workspace) -> None:
    """Add people; what is already known of a person stays, gaps are filled."""
    import polars as pl

    if workspace.has("players"):
        players = pl.concat([workspace.read("players"), players])
    columns = [c for c in players.columns if c != "player_id"]
    merged = players.group_by("player_id").agg(pl.col(c).drop_nulls().first() for c in columns)
    workspace.write("players", merged.select(players.columns).sort("player_id"))

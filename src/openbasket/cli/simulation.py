"""Verbs: simulate, render, rendered, sync."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openbasket.cli.data import tell_built
from openbasket.cli.options import Json, Quiet, Root, Seed, Workers, print_json, print_table, say
from openbasket.wording import counted

if TYPE_CHECKING:
    from openbasket.workspace import Workspace

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(simulate)
    app.command()(render)
    app.command()(rendered)
    app.command()(sync)


class Size(StrEnum):
    """Which invented leagues."""

    mini = "mini"
    demo = "demo"
    medium = "medium"
    full = "full"


def simulate(
    root: Root,
    size: Annotated[
        Size,
        typer.Option(
            help="mini: the same as demo with fewer and shorter games, to try commands in seconds; "
            "demo: two leagues, two seasons, games of a few minutes; "
            "medium: four such leagues of some 320 player-seasons in all; "
            "full: whole seasons of 40-minute games."
        ),
    ] = Size.demo,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Play invented leagues, possession by possession, into a workspace."""
    from openbasket.errors import WorkspaceError
    from openbasket.simulation import league
    from openbasket.workspace import Workspace

    made = {
        Size.mini: league.mini_leagues,
        Size.demo: league.demo_leagues,
        Size.medium: league.medium_leagues,
        Size.full: league.full_leagues,
    }
    leagues = made[size]()
    workspace = Workspace(root, create=True)
    if workspace.has("reels"):
        raise WorkspaceError(
            f"'{root}' holds reels, and simulated games would replace those that they show. Give another "
            "folder"
        )
    report = league.simulate(workspace, leagues, seed=seed, quiet=quiet)
    if as_json:
        print_json(report.to_json())
        return
    print_table(
        f"Simulated into {root}",
        ("league", "season", "games", "players", "events"),
        report.rows(),
        keys=2,
    )


def rendered(
    root: Root,
    benchmark: Annotated[
        str,
        typer.Option(
            help="Name of a benchmark that comes along (v1, small, mini), or a .toml file."
        ),
    ] = "v1",
    real: Annotated[
        bool,
        typer.Option(
            "--real",
            help="Film the games that the workspace holds, of whatever leagues were imported and split, "
            "instead of simulated ones.",
        ),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a benchmark of reels that are drawn when they are read: thousands need no video.

    Simulates leagues, labels and splits them, and writes the dataset in the official layout. Train on it as
    on any other; its frames are drawn, game by game, into the cache of frames.
    """
    from openbasket.dataset.rendered import load_benchmark, make
    from openbasket.workspace import Workspace

    settings = load_benchmark(benchmark)
    report = make(Workspace(root, create=not real), settings, real=real, quiet=quiet)
    if as_json:
        print_json(report.to_json())
        return
    made = report.film
    say(
        f"{counted(made.reels, 'reel')} of {counted(made.clips, 'clip')} from {counted(made.games, 'game')}, "
        f"{made.seconds / 3600:.1f} hours; {counted(made.few, 'subject')} with too few events"
    )
    tell_built(f"Benchmark '{settings.name}', version {settings.version}", report.built)


def render(
    root: Root,
    game: Annotated[
        list[str] | None,
        typer.Option(help="Game to render; may be repeated. All games by default."),
    ] = None,
    period: Annotated[
        list[int] | None, typer.Option(help="Only this period; may be repeated.")
    ] = None,
    dead_time: Annotated[
        float, typer.Option(min=1, help="Seconds that the video runs on when the clock stops.")
    ] = 3.0,
    preset: Annotated[str, typer.Option(help="x264 preset.")] = "superfast",
    seed: Seed = 0,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Render games, simulated or real, from their events to broadcast-like videos."""
    from openbasket.simulation.broadcast import RenderSettings, render_all
    from openbasket.workspace import Workspace

    report = render_all(
        Workspace(root),
        game or None,
        settings=RenderSettings(dead_time_s=dead_time, preset=preset),
        seed=seed,
        periods=period or None,
        workers=workers,
        quiet=quiet,
    )
    if as_json:
        print_json(
            {
                "rendered": report.rendered,
                "kept": report.kept,
                "failed": [{"game_id": g, "reason": r} for g, r in report.failed],
                "frames": report.frames,
            }
        )
    else:
        say(
            f"rendered {counted(len(report.rendered), 'game')} ({counted(report.frames, 'frame')}), "
            f"kept {len(report.kept)}, failed {len(report.failed)}"
        )
        for game_id, reason in report.failed:
            say(f"failed: {game_id}: {reason}")
    if report.failed:
        raise typer.Exit(1)


def sync(
    root: Root,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CSV]",
            help="Anchors: game_id, period, clock, media; or none, with --scoreboard. With --wall-clock: "
            "such moments, one or a few a game, or game_id, start.",
        ),
    ] = None,
    scoreboard: Annotated[
        bool, typer.Option("--scoreboard", help="Read the clock off the scoreboard of each video.")
    ] = False,
    wall_clock: Annotated[
        bool,
        typer.Option("--wall-clock", help="From the wall-clock stamps of the transcript's events."),
    ] = False,
    offset: Annotated[
        list[str] | None,
        typer.Option(
            help="With --wall-clock and one --game: the wall time at which the video starts (ISO 8601), or a "
            "moment of it, 'PERIOD CLOCK MEDIA'; moments may be repeated."
        ),
    ] = None,
    creation_time: Annotated[
        bool,
        typer.Option(
            "--creation-time", help="With --wall-clock: videos start when their metadata say."
        ),
    ] = False,
    from_anchors: Annotated[
        bool,
        typer.Option(
            "--from-anchors",
            help="With --wall-clock: the games' anchors, given or off the scoreboard, are the moments.",
        ),
    ] = False,
    delay: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=60,
            help="With --wall-clock and starts: seconds that a usual stamp is late. Estimated by default.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(min=0.1, max=60, help="With --wall-clock: seconds that stamps may be off."),
    ] = 2.0,
    game: Annotated[
        list[str] | None,
        typer.Option(help="Game to sync; may be repeated. All games with a video by default."),
    ] = None,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find where the game clock stands in the videos: by a CSV of anchors, the scoreboard, or wall clocks."""
    from openbasket.errors import ConfigError
    from openbasket.workspace import Workspace

    workspace = Workspace(root)
    given = [
        name
        for name, there in (
            ("--offset", offset), ("--creation-time", creation_time), ("--from-anchors", from_anchors)
        )
        if there
    ]  # fmt: skip
    if wall_clock:
        sources = [*(["a CSV"] if file else []), *given]
        if scoreboard or len(sources) != 1:
            told = (
                " and ".join([*(["--scoreboard"] if scoreboard else []), *sources])
                or "nothing else"
            )
            raise ConfigError(
                f"sync --wall-clock was given {told}; give one of: a CSV, --offset, --creation-time, "
                "--from-anchors"
            )
        _sync_wall_clock(
            workspace, file, offset or [], creation_time, delay, tolerance, game, as_json
        )
        return
    if given or delay is not None:
        raise ConfigError(f"{' and '.join(given) or '--delay'} goes with --wall-clock; add that")
    ways = [name for name, there in (("a CSV", file), ("--scoreboard", scoreboard)) if there]
    if len(ways) != 1:
        raise ConfigError(
            f"sync was given {' and '.join(ways) or 'neither a CSV nor --scoreboard nor --wall-clock'}; "
            "give one of them: where the anchors come from"
        )
    if file is not None:
        _sync_csv(workspace, file, as_json)
    else:
        _sync_scoreboard(workspace, game or None, workers, as_json, quiet)


def _sync_csv(workspace: Workspace, file: Path, as_json: bool) -> None:
    from openbasket.clock.anchors import read_anchors, store_anchors
    from openbasket.clock.fit import GameClock
    from openbasket.clock.sync import periods_played

    games = workspace.read("games")["game_id"].to_list()
    given = read_anchors(file, games, periods_played(workspace))
    for part in given.partition_by("game_id"):
        GameClock(part)  # refuses anchors that contradict each other
    store_anchors(workspace, given)
    count, timed = given["game_id"].n_unique(), _timed(workspace, given["game_id"].unique())
    if as_json:
        print_json({"games": count, "anchors": given.height, "games_with_event_times": timed})
        return
    say(f"{counted(given.height, 'anchor')} for {counted(count, 'game')}")
    _tell_timed(timed)


def _timed(workspace: Workspace, games: Iterable[str]) -> list[str]:
    """Those of the games that have event times, which win over anchors."""
    if not workspace.has("event_times"):
        return []
    return sorted(set(workspace.read("event_times")["game_id"]) & set(games))


def _tell_timed(games: list[str]) -> None:
    if games:
        told = counted(len(games), "game has", "games have")
        say(
            f"note: {told} event times, as rendered videos do ({', '.join(games[:3])}"
            f"{', ...' * (len(games) > 3)}); those win over anchors"
        )


def _sync_scoreboard(
    workspace: Workspace,
    games: list[str] | None,
    workers: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    from openbasket.clock.sync import sync_scoreboards

    outcomes = sync_scoreboards(workspace, games, workers=workers, quiet=quiet)
    refused = [o for o in outcomes if o.refused is not None]
    if as_json:
        print_json(
            {
                "accepted": [
                    {
                        "game_id": o.game_id,
                        "anchors": o.anchors,
                        "readings": o.readings,
                        "rejected": o.rejected,
                        "board": o.board,
                        "events_placed": o.located,
                    }
                    for o in outcomes
                    if o.refused is None
                ],
                "refused": [{"game_id": o.game_id, "reason": o.refused} for o in refused],
            }
        )
    else:
        for o in outcomes:
            if o.refused is None:
                say(
                    f"accepted: {o.game_id}: {counted(o.anchors, 'anchor')} "
                    f"from {counted(o.readings, 'picture')} "
                    f"({counted(o.rejected, 'reading')} rejected), {o.located:.1%} of the events placed"
                )
        for o in refused:
            say(f"refused: {o.game_id}: {o.refused}")
        say(f"accepted {counted(len(outcomes) - len(refused), 'game')}, refused {len(refused)}")
        _tell_timed(_timed(workspace, [o.game_id for o in outcomes if o.refused is None]))
    if refused:
        raise typer.Exit(1)


def _sync_wall_clock(
    workspace: Workspace,
    file: Path | None,
    offsets: list[str],
    creation_time: bool,
    delay: float | None,
    tolerance: float,
    games: list[str] | None,
    as_json: bool,
) -> None:
    from dataclasses import asdict, replace

    from openbasket.clock.sync import moments_of_anchors, starts_of_recordings, sync_wall_clocks
    from openbasket.clock.wall_clock import Given, parse_offset, read_given
    from openbasket.errors import ConfigError

    if file is not None:
        given = read_given(file, workspace.read("games")["game_id"].to_list())
        if games:
            given = {game: given.get(game, Given()) for game in games}
    elif offsets:
        if games is None or len(games) != 1:
            raise ConfigError("--offset is of one video: name its game with --game, once")
        parsed = [parse_offset(text) for text in offsets]
        if len(parsed) > 1 and any(one.start is not None for one in parsed):
            raise ConfigError("several --offset must all be moments, 'PERIOD CLOCK MEDIA'")
        moments = tuple(moment for one in parsed for moment in one.moments)
        given = {games[0]: Given(parsed[0].start, moments)}
    elif creation_time:
        given = starts_of_recordings(workspace, games)
    else:
        given = moments_of_anchors(workspace, games)
    given = {game: replace(one, delay_s=delay) for game, one in given.items()}
    outcomes = sync_wall_clocks(workspace, given, tolerance_s=tolerance)
    refused = [o for o in outcomes if o.refused is not None]
    if as_json:
        print_json(
            {
                "accepted": [asdict(o) for o in outcomes if o.refused is None],
                "refused": [{"game_id": o.game_id, "reason": o.refused} for o in refused],
            }
        )
    else:
        for o in outcomes:
            if o.refused is not None:
                say(f"refused: {o.game_id}: {o.refused}")
                continue
            say(
                f"accepted: {o.game_id}: {counted(o.anchors, 'anchor')} +-{o.residual_s:.1f} s, "
                f"{o.used} of {o.stamps} stamps fit the clock, {o.located:.1%} of the events placed"
            )
            for reason in o.left_out:
                say(f"left out: {o.game_id}: {reason}")
        say(f"accepted {counted(len(outcomes) - len(refused), 'game')}, refused {len(refused)}")
        _tell_timed(_timed(workspace, [o.game_id for o in outcomes if o.refused is None]))
    if refused:
        raise typer.Exit(1)

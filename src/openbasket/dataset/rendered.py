"""A rendered benchmark: from one versioned TOML to thousands of labelled reels that are drawn on demand.

Games come from the simulator, or are those of a workspace into which real play-by-play was imported: the
skills are then those of real players.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from openbasket import packaged
from openbasket.dataset.build import BuildReport, build
from openbasket.dataset.film import MOST_REEL_FRAMES, FilmReport, FilmSettings, film, strictly
from openbasket.errors import ConfigError, NotFoundError, UnknownNameError, WorkspaceError, suggest
from openbasket.labels import LabelSettings, label
from openbasket.reels.cut import ClipSettings
from openbasket.reels.settings import ReelSettings
from openbasket.simulation.difficulty import Difficulty
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.simulation.timeline import RenderSettings
from openbasket.splits.assign import assign
from openbasket.video.write import FPS
from openbasket.workspace import Workspace, write_json

__all__ = ["Benchmark", "RenderedReport", "benchmark_names", "load_benchmark", "make"]

_FILM = ("dead_time_s", "free_throw_s", "timeout_s", "max_dead_time_s", "period_break_s")

#: Which benchmark was begun in a workspace.
_BEGUN = "benchmark.json"


@dataclass(frozen=True)
class Benchmark:
    """A rendered benchmark.

    Args:
        name: of the file.
        summary: what it is for, in one line.
        version: another one has other numbers.
        seed: of games, splits, draws and pictures.
        leagues: what is simulated; none where real games are there.
        unseen_season: kept out of training.
        unseen_leagues: kept out of training.
        labels: how levels are made.
        film: how games are filmed and reels made.
        sha256: of the file.
    """

    name: str
    summary: str
    version: int
    seed: int
    leagues: tuple[LeagueSettings, ...]
    unseen_season: str | None
    unseen_leagues: tuple[str, ...]
    labels: LabelSettings
    film: FilmSettings
    sha256: str


@dataclass(frozen=True)
class RenderedReport:
    """What :func:`make` made."""

    benchmark: Benchmark
    film: FilmReport
    built: BuildReport

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "benchmark": self.benchmark.name,
            "version": self.benchmark.version,
            "sha256": self.benchmark.sha256,
            **self.film.to_json(),
            "rows": self.built.rows,
        }


def benchmark_names() -> list[str]:
    """Names of the benchmarks that come with openbasket, sorted."""
    return packaged.names("rendered")


def load_benchmark(name_or_path: str | Path) -> Benchmark:
    """Read a benchmark.

    Args:
        name_or_path: one of :func:`benchmark_names`, or the path of a ``.toml`` file.

    Raises:
        UnknownNameError: no such benchmark.
        ConfigError: no TOML, or settings that are not allowed.
    """
    name = str(name_or_path)
    if name in benchmark_names():
        text = packaged.text("rendered", name)
    else:
        path = Path(name)
        if path.suffix != ".toml":
            raise UnknownNameError("benchmark", name, benchmark_names())
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NotFoundError(f"benchmark '{path}' cannot be read ({error})") from None
        name = path.stem
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"benchmark '{name}' is not TOML: {error}") from None
    try:
        return _benchmark(name, given, hashlib.sha256(text.encode()).hexdigest())
    except (ConfigError, TypeError, ValueError) as error:
        raise ConfigError(f"benchmark '{name}': {error}") from None


def make(
    workspace: Workspace, benchmark: Benchmark, *, real: bool = False, quiet: bool = False
) -> RenderedReport:
    """Simulate, label, split, film and build; nothing is drawn yet.

    Args:
        workspace: where; what it holds of the benchmark's leagues is replaced.
        benchmark: what.
        real: film the games that the workspace holds, and simulate none. Unseen seasons and leagues are
            kept as ``openbasket split`` has made them.
        quiet: show no progress.

    Raises:
        NotFoundError: ``real``, and there are no games, or no splits.
        WorkspaceError: not ``real``, and the workspace holds another benchmark, or other leagues or seasons,
            which would be labelled and split with those of the benchmark.
    """
    if real:
        workspace.require("games")
    else:
        _refuse_others(workspace, benchmark)
        write_json(workspace.private / _BEGUN, {"benchmark": benchmark.name})
        simulate(workspace, benchmark.leagues, seed=benchmark.seed, quiet=quiet)
    if not (real and workspace.has("levels")):
        label(workspace, benchmark.labels, quiet=quiet)
    if real:
        workspace.require("splits")
    else:
        splits = assign(
            workspace.read("subjects"),
            unseen_season=benchmark.unseen_season,
            unseen_leagues=benchmark.unseen_leagues,
            seed=benchmark.seed,
        )
        workspace.write("splits", splits)
        settings = {
            "unseen_season": benchmark.unseen_season,
            "unseen_leagues": list(benchmark.unseen_leagues),
            "ratios": [7, 1, 2],
            "seed": benchmark.seed,
        }
        write_json(workspace.private / "splits.json", settings)
    filmed = film(workspace, benchmark.film, quiet=quiet)
    report = RenderedReport(benchmark, filmed, build(workspace))
    write_json(workspace.private / "rendered.json", report.to_json())
    return report


def _refuse_others(workspace: Workspace, benchmark: Benchmark) -> None:
    if (workspace.root / "recipe.json").exists():
        raise WorkspaceError(f"'{workspace.root}' holds a run. Give another folder")
    for file in (_BEGUN, "rendered.json"):
        if not (workspace.private / file).exists():
            continue
        there = workspace.read_json(file).get("benchmark")
        if there != benchmark.name:
            raise WorkspaceError(
                f"'{workspace.root}' holds benchmark '{there}', and '{benchmark.name}' would write over it. "
                "Give another folder"
            )
    own = {(league.league, season) for league in benchmark.leagues for season in league.seasons}
    if others := sorted(set(workspace.seasons("games")) - own):
        named = ", ".join(" ".join(pair) for pair in others[:3]) + (", ..." if others[3:] else "")
        raise WorkspaceError(
            f"'{workspace.root}' holds games that are not of benchmark '{benchmark.name}' ({named}); they "
            "would be split with its own. Give another folder"
        )
    made = any((workspace.private / file).exists() for file in (_BEGUN, "rendered.json"))
    if workspace.seasons("games") and not made:
        raise WorkspaceError(
            f"'{workspace.root}' holds games that no benchmark made, and '{benchmark.name}' would write over "
            "them. Give another folder"
        )


def _benchmark(name: str, given: dict[str, Any], digest: str) -> Benchmark:
    known = ("summary", "version", "seed", "unseen_season", "unseen_leagues", "labels", "reels", "film",
             "difficulty", "leagues", "every_league")  # fmt: skip
    _refuse_unknown("", given, known)
    top = strictly(_Top, {key: given[key] for key in given if key in _Top.__dataclass_fields__})
    reels = strictly(
        _Reels, _known("reels.", given.get("reels", {}), _Reels.__dataclass_fields__), "reels."
    )
    look = _known("film.", given.get("film", {}), (*_FILM, "mark"))
    mark = strictly(bool, look.pop("mark", False), "film.mark")
    hard = _known("difficulty.", given.get("difficulty", {}), [f.name for f in fields(Difficulty)])
    levels = _known("labels.", given.get("labels", {}), [f.name for f in fields(LabelSettings)])
    labels = strictly(LabelSettings, levels, "labels.")
    if labels.levels not in (3, 5):
        raise ConfigError(f"labels.levels: got {labels.levels}; allowed: 3 or 5, as for models")
    clip = ClipSettings(before_s=reels.before_s, after_s=reels.after_s)
    frames = round(reels.events * (reels.before_s + reels.after_s) * FPS)
    if frames > MOST_REEL_FRAMES:
        raise ConfigError(
            f"reels of {reels.events} clips of {reels.before_s + reels.after_s:g} s have {frames:,} frames; "
            f"allowed: {MOST_REEL_FRAMES:,}"
        )
    return Benchmark(
        name=name,
        summary=top.summary,
        version=top.version,
        seed=top.seed,
        leagues=_leagues(given),
        unseen_season=top.unseen_season,
        unseen_leagues=tuple(top.unseen_leagues),
        labels=labels,
        film=FilmSettings(
            reels=ReelSettings(
                clip=clip, seed=top.seed, events=reels.events, min_events=reels.min_events
            ),
            render=strictly(RenderSettings, {**look, "difficulty": hard}),
            seed=top.seed,
            draws=reels.draws,
            mark=mark,
        ),
        sha256=digest,
    )


@dataclass(frozen=True)
class _Top:
    """What stands above the sections of a benchmark's file."""

    summary: str = ""
    version: int = 1
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] = 0
    unseen_season: str | None = None
    unseen_leagues: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Reels:
    """Section ``reels`` of a benchmark's file."""

    events: Annotated[int, Field(ge=1, le=10_000)] = ReelSettings.events
    min_events: int | None = ReelSettings.min_events
    draws: Annotated[int, Field(ge=1, le=100)] = 1
    before_s: float = ClipSettings.before_s
    after_s: float = ClipSettings.after_s


def _leagues(given: Mapping[str, Any]) -> tuple[LeagueSettings, ...]:
    allowed = [f.name for f in fields(LeagueSettings)]
    every = strictly(dict[str, Any], given.get("every_league", {}), "every_league")
    leagues = []
    for number, own in enumerate(
        strictly(list[dict[str, Any]], given.get("leagues", []), "leagues")
    ):
        where = f"leagues[{number}]."
        settings = _known(where, {**every, **own}, allowed)
        leagues.append(strictly(LeagueSettings, settings, where))
    return tuple(leagues)


def _known(prefix: str, given: Any, known: Collection[str]) -> dict[str, Any]:
    """A section, if it is one, and all of its names are known."""
    section = dict(strictly(dict[str, Any], given, prefix.removesuffix(".")))
    _refuse_unknown(prefix, section, known)
    return section


def _refuse_unknown(prefix: str, given: Mapping[str, Any], known: Any) -> None:
    for key in given:
        if key not in known:
            hint = suggest(key, known)
            raise ConfigError(f"unknown setting '{prefix}{key}'.{hint} Known: {', '.join(known)}")

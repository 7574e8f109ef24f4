"""A rendered benchmark: from one versioned TOML to thousands of labelled reels that are drawn on demand.

Games come from the simulator, or are those of a workspace into which real play-by-play was imported: the
skills are then those of real players.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from openbasket import packaged
from openbasket.dataset.build import BuildReport, build
from openbasket.dataset.film import FilmReport, FilmSettings, film
from openbasket.errors import ConfigError, NotFoundError, UnknownNameError, suggest
from openbasket.labels import LabelSettings, label
from openbasket.reels.cut import ClipSettings
from openbasket.reels.settings import ReelSettings
from openbasket.simulation.difficulty import Difficulty
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.simulation.timeline import RenderSettings
from openbasket.splits.assign import assign
from openbasket.workspace import Workspace, write_json

__all__ = ["Benchmark", "RenderedReport", "benchmark_names", "load_benchmark", "make"]

_FILM = ("dead_time_s", "free_throw_s", "timeout_s", "max_dead_time_s", "period_break_s")


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
    except (TypeError, ValueError) as error:
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
    """
    if real:
        workspace.require("games")
    else:
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


def _benchmark(name: str, given: dict[str, Any], digest: str) -> Benchmark:
    known = ("summary", "version", "seed", "unseen_season", "unseen_leagues", "labels", "reels", "film",
             "difficulty", "leagues", "every_league")  # fmt: skip
    _refuse_unknown("", given, known)
    reels = dict(given.get("reels", {}))
    _refuse_unknown("reels.", reels, ("events", "min_events", "draws", "before_s", "after_s"))
    look = dict(given.get("film", {}))
    mark = bool(look.pop("mark", False))
    _refuse_unknown("film.", look, _FILM)
    hard = dict(given.get("difficulty", {}))
    _refuse_unknown("difficulty.", hard, [f.name for f in fields(Difficulty)])
    levels = dict(given.get("labels", {}))
    _refuse_unknown("labels.", levels, [f.name for f in fields(LabelSettings)])
    every = dict(given.get("every_league", {}))
    allowed = [f.name for f in fields(LeagueSettings)]
    leagues = []
    for number, own in enumerate(given.get("leagues", ())):
        _refuse_unknown(f"leagues[{number}].", {**every, **own}, allowed)
        settings = {**every, **own}
        if "seasons" in settings:
            settings["seasons"] = tuple(settings["seasons"])
        leagues.append(LeagueSettings(**settings))
    length: dict[str, Any] = {k: float(reels[k]) for k in ("before_s", "after_s") if k in reels}
    clip = ClipSettings(**length)
    seed = int(given.get("seed", 0))
    events: dict[str, Any] = {k: int(reels[k]) for k in ("events", "min_events") if k in reels}
    return Benchmark(
        name=name,
        summary=str(given.get("summary", "")),
        version=int(given.get("version", 1)),
        seed=seed,
        leagues=tuple(leagues),
        unseen_season=given.get("unseen_season"),
        unseen_leagues=tuple(given.get("unseen_leagues", ())),
        labels=LabelSettings(**levels),
        film=FilmSettings(
            reels=ReelSettings(clip=clip, seed=seed, **events),
            render=RenderSettings(**look, difficulty=Difficulty(**hard)),
            seed=seed,
            draws=int(reels.get("draws", 1)),
            mark=mark,
        ),
        sha256=digest,
    )


def _refuse_unknown(prefix: str, given: Mapping[str, Any], known: Any) -> None:
    for key in given:
        if key not in known:
            hint = suggest(key, known)
            raise ConfigError(f"unknown setting '{prefix}{key}'.{hint} Known: {', '.join(known)}")

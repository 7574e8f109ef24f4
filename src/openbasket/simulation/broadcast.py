"""Render any game's events, simulated or real, to a broadcast-like video.

The tables say who did what, where and at which game clock; everything else (spacing, defence,
running, dead time) is invented, seeded and plausible. Beside the video stand its true clock map
(``anchors``) and the media time of each event (``event_times``), exact to the frame.

Source: stands in for the broadcasts of the paper's section 3.1, so that the whole pipeline runs
with nothing downloaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket import engine, tables
from openbasket.errors import BadInputError, NotFoundError, OpenBasketError, Problem
from openbasket.simulation.boards import Facts, draw_board
from openbasket.simulation.choreography import Directed, Scene, choreograph, direct, fives
from openbasket.simulation.difficulty import EASY
from openbasket.simulation.drawing import Painter
from openbasket.simulation.looks import Person, team_colours
from openbasket.simulation.timeline import PeriodPlan, Plan, RenderSettings, plan
from openbasket.simulation.troubles import Montage, broadcast_frames, montage
from openbasket.simulation.walking import walk
from openbasket.video.write import FPS, VideoWriter
from openbasket.wording import counted
from openbasket.workspace import Workspace, remove_leftovers, write_json

__all__ = [
    "RenderReport",
    "RenderSettings",
    "RenderedGame",
    "fingerprint",
    "pictures",
    "render",
    "render_all",
    "render_game",
]

#: Part of the fingerprint of a rendered video: raise it when the pictures change.
RENDERER_VERSION = 1


@dataclass(frozen=True)
class RenderedGame:
    """A video and its truth.

    Args:
        path: the video.
        frames: how many it has.
        anchors: table ``anchors``: one row wherever the clock starts or stops, ``how="truth"``.
        event_times: table ``event_times``: when the action of each event is seen.
    """

    game_id: str
    path: Path
    frames: int
    anchors: pl.DataFrame
    event_times: pl.DataFrame


@dataclass(frozen=True)
class RenderReport:
    """What :func:`render_all` did."""

    rendered: tuple[str, ...]
    kept: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    frames: int


# -- the pure core --------------------------------------------------------------------------


def _rng(seed: int, *parts: object) -> np.random.Generator:
    text = "\0".join(str(part) for part in (seed, *parts))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def people_of(
    game: Mapping[str, Any], appearances: pl.DataFrame, events: pl.DataFrame
) -> list[Person]:
    """Everyone who may be seen, in a fixed order: the roster, then players only the events name."""
    teams = {game["home_team_id"]: 0, game["away_team_id"]: 1}
    found: dict[str, Person] = {}
    used: dict[int, set[str]] = {0: set(), 1: set()}
    waiting: list[tuple[str, int]] = []
    rows = appearances.sort(
        pl.col("starter").fill_null(False), "player_id", descending=[True, False]
    )
    for row in rows.iter_rows(named=True):
        team = teams.get(row["team_id"])
        if team is None:
            continue
        number = (row["number"] or "").strip()[:2]
        if number:
            used[team].add(number)
            found[row["player_id"]] = Person(row["player_id"], number, team)
        else:
            waiting.append((row["player_id"], team))
    named = events.filter(pl.col("player_id").is_not_null() & pl.col("team_id").is_not_null())
    for team_id, player in sorted(set(named.select("team_id", "player_id").iter_rows())):
        if player not in found and team_id in teams:
            waiting.append((player, teams[team_id]))
    waiting += [(f"?{team}{i}", team) for team in (0, 1) for i in range(5)]
    for player, team in dict.fromkeys(waiting):
        if player in found:
            continue
        start = int.from_bytes(hashlib.sha256(player.encode()).digest()[:4], "big")
        free = (str((start + k) % 100) for k in range(100))
        number = next((n for n in free if n not in used[team]), "")
        used[team].add(number)
        found[player] = Person(player, number, team)
    starters = dict.fromkeys(rows["player_id"].to_list())
    return [found[p] for p in dict.fromkeys([*starters, *found]) if p in found]


class Motion:
    """The periods of a game, put into motion when they are asked for.

    Args:
        periods: as planned.
        told: what directs each of them.
    """

    def __init__(
        self, periods: Sequence[PeriodPlan], told: Sequence[Callable[[], Directed]]
    ) -> None:
        self.periods = periods
        self._told = told
        self._walked: list[tuple[Directed, NDArray[np.float64]]] = []

    def scene(self, number: int) -> Scene:
        """A period in motion; for the first that is asked for all are walked, which takes a while."""
        if not self._walked:
            walk_together([self])
        return choreograph(*self._walked[number])

    def direct(self) -> list[Directed]:
        """What everyone is to do in each period."""
        return [tell() for tell in self._told]

    def follow(self, directed: Sequence[Directed], walked: Sequence[NDArray[np.float64]]) -> None:
        """Keep where everyone walks in each period."""
        self._walked = list(zip(directed, walked, strict=True))


def walk_together(games: Sequence[Motion]) -> None:
    """Let everyone walk in all periods of some games, which takes hardly longer than in those of one.

    Each of them goes where he would have gone without the other games.
    """
    directed = [game.direct() for game in games]
    walked = iter(walk([period.errands for periods in directed for period in periods]))
    for game, periods in zip(games, directed, strict=True):
        game.follow(periods, list(islice(walked, len(periods))))


def scenes(
    game: Mapping[str, Any],
    laid: Plan,
    events: pl.DataFrame,
    stints: pl.DataFrame,
    people: Sequence[Person],
    seed: int,
) -> Motion:
    """The periods of a game, to be put into motion."""
    index: dict[str, int] = {}
    for i, person in enumerate(people):
        index.setdefault(person.player_id, i)
    rosters = [[p.player_id for p in people if p.team == team] for team in (0, 1)]
    ids = (game["home_team_id"], game["away_team_id"])
    last: list[list[str]] = [rosters[0][:5], rosters[1][:5]]
    told: list[Callable[[], Directed]] = []
    for period in laid.periods:
        spans = [
            [
                (int(a), int(b), tuple(p for p in five if p in index))
                for a, b, five in stints.filter(
                    (pl.col("team_id") == ids[team]) & (pl.col("period") == period.period)
                )
                .sort("first_order", "last_order")
                .select("first_order", "last_order", "player_ids")
                .iter_rows()
            ]
            for team in (0, 1)
        ]
        both = [
            fives(period.moments, team, spans[team], rosters[team], last[team]) for team in (0, 1)
        ]
        last = [both[0][-1], both[1][-1]]
        first_half = period.period <= int(game["periods"]) / 2
        line_ups = list(zip(both[0], both[1], strict=True))
        score = _score(game, events, period.period)
        tell = partial(direct, period, line_ups, index, 1 if first_half else -1, score)
        told.append(partial(_directed, tell, seed, game["game_id"], period.period))
    return Motion(laid.periods, told)


def _directed(tell: Callable[[np.random.Generator], Directed], *of: Any) -> Directed:
    """A period directed by what is drawn for it, each time the same."""
    return tell(_rng(*of))


def _in_motion(*given: Any) -> Iterator[tuple[PeriodPlan, Scene]]:
    """The periods of :func:`scenes` in motion, one after the other."""
    motion = scenes(*given)
    return ((period, motion.scene(number)) for number, period in enumerate(motion.periods))


def _score(game: Mapping[str, Any], events: pl.DataFrame, period: int) -> tuple[int, int]:
    """Points of home and away before a period, as the events count them."""
    made = events.filter(pl.col("made") & (pl.col("period") < period))
    scored = made.filter(pl.col("kind").is_in(["field_goal", "free_throw"]))
    points = dict(scored.group_by("team_id").agg(pl.col("value").cast(pl.Int32).sum()).iter_rows())
    return int(points.get(game["home_team_id"], 0)), int(points.get(game["away_team_id"], 0))


def clocks_of(period: PeriodPlan) -> NDArray[np.float64]:
    """The game clock in each frame of a period, seconds left, ``(F,)``."""
    frames = np.array([frame for frame, _ in period.stops], float)
    clocks = np.array([clock for _, clock in period.stops], float)
    at = np.arange(period.first, period.end, dtype=float)
    return np.asarray(np.interp(at, frames, clocks), dtype=np.float64)


def _code(game: Mapping[str, Any], side: str) -> str:
    """Up to four capitals for the scoreboard, from the team's id."""
    letters = "".join(c for c in str(game[f"{side}_team_id"]).upper() if c.isalnum())
    return letters[:4] or side[:1].upper()


def team_codes(game: Mapping[str, Any]) -> tuple[str, str]:
    """What the scoreboard calls home and away."""
    return _code(game, "home"), _code(game, "away")


def painter_of(
    game: Mapping[str, Any], people: Sequence[Person], settings: RenderSettings, seed: int
) -> Painter:
    """Who draws a game."""
    hard = settings.difficulty
    kits = team_colours(game["home_team_id"], game["away_team_id"], similar=hard.similar_kits)
    own = _rng(seed, game["game_id"], "difficulty").integers(2**32, size=2).tolist()
    return Painter(people, kits, team_codes(game), int(game["periods"]), hard, own)


def pictures(
    game: Mapping[str, Any],
    events: pl.DataFrame,
    appearances: pl.DataFrame,
    stints: pl.DataFrame,
    *,
    settings: RenderSettings | None = None,
    seed: int = 0,
    periods: Sequence[int] | None = None,
    max_s: float | None = None,
) -> tuple[Plan, Iterator[NDArray[np.uint8]]]:
    """Lay a game out and draw it, without encoding: see :func:`render`.

    Returns:
        The running order, and the pictures: BGR ``(400, 704, 3)`` uint8, each overwritten by the next.
    """
    settings = settings or RenderSettings()
    laid = plan(game, events, settings, FPS, periods=periods)
    cut = _cut(game, laid, settings, seed)
    people = people_of(game, appearances, events)
    codes = team_codes(game)
    total = laid.frames if cut is None else int(cut.at[-1])
    limit = total if max_s is None else min(total, round(max_s * FPS))

    def draw() -> Iterator[NDArray[np.uint8]]:
        painter = painter_of(game, people, settings, seed)
        for period, scene in _in_motion(game, laid, events, stints, people, seed):
            if period.first >= limit:
                return
            yield from painter.frames(scene, period.period, clocks_of(period), limit - period.first)

    def draw_cut(cut: Montage) -> Iterator[NDArray[np.uint8]]:
        painter = painter_of(game, people, settings, seed)
        shown: list[tuple[PeriodPlan, Scene, NDArray[np.float64]]] = []

        def bare() -> Iterator[NDArray[np.uint8]]:
            for period, scene in _in_motion(game, laid, events, stints, people, seed):
                shown.append((period, scene, clocks_of(period)))
                yield from painter.frames(scene, period.period, shown[-1][2], board=False)

        def with_board(image: NDArray[np.uint8], frame: int) -> None:
            period, scene, clocks = next(s for s in reversed(shown) if s[0].first <= frame)
            row = frame - period.first
            score = (int(scene.score[row, 0]), int(scene.score[row, 1]))
            clock = float(clocks[row])
            if settings.board == "corner":
                painter.corner(image, period.period, score, clock)
                return
            number, day = int(game["periods"]), frame / float(FPS)
            facts = Facts(codes, score, period.period, number, clock, period.length_s, day)
            draw_board(image, settings.board, facts)

        yield from islice(broadcast_frames(cut, bare(), with_board, float(FPS)), limit)

    return laid, (draw() if cut is None else draw_cut(cut))


def _cut(
    game: Mapping[str, Any], laid: Plan, settings: RenderSettings, seed: int
) -> Montage | None:
    """The montage; None where the plan goes on air as it is, with the scoreboard that the painter draws."""
    plain = settings.board == "corner" and not settings.troubled
    return None if plain else game_montage(game, laid, settings, seed)


def game_montage(
    game: Mapping[str, Any], laid: Plan, settings: RenderSettings, seed: int
) -> Montage:
    """Where a game's troubles fall: the same for equal input and seed."""
    return montage(laid, settings, _rng(seed, game["game_id"], "troubles"))


def render(
    game: Mapping[str, Any],
    events: pl.DataFrame,
    appearances: pl.DataFrame,
    stints: pl.DataFrame,
    path: Path,
    *,
    settings: RenderSettings | None = None,
    seed: int = 0,
    periods: Sequence[int] | None = None,
    max_s: float | None = None,
) -> RenderedGame:
    """Render one game from its rows alone.

    Args:
        game: its row of the games table.
        events: its rows of the events table, in any order.
        appearances: its rows of the appearances table; may be empty.
        stints: its rows of the stints table; may be empty.
        path: where the video goes; it appears there only when whole.
        settings: dead times and encoder.
        seed: for whatever the events leave open. Equal input and seed give equal bytes.
        periods: only these periods.
        max_s: stop after so many seconds of video.

    Raises:
        BadInputError: no events.
    """
    settings = settings or RenderSettings()
    laid, frames = pictures(
        game,
        events,
        appearances,
        stints,
        settings=settings,
        seed=seed,
        periods=periods,
        max_s=max_s,
    )
    count = 0
    with VideoWriter(path, crf=settings.crf, preset=settings.preset, gop=settings.gop) as video:
        for frame in frames:
            video.write(cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420), "yuv420p")
            count += 1
    cut = _cut(game, laid, settings, seed)
    return RenderedGame(
        game["game_id"],
        path,
        count,
        anchors_of(game["game_id"], laid, count, cut),
        event_times_of(game["game_id"], laid, count, cut),
    )


def anchors_of(game_id: str, laid: Plan, frames: int, cut: Montage | None = None) -> pl.DataFrame:
    """The true clock map, table ``anchors``: a row wherever the clock starts, stops or jumps."""
    rows = [
        {
            "game_id": game_id,
            "period": period.period,
            "clock_s": clock,
            "media_s": frame / float(laid.fps),
            "how": "truth",
            "residual_s": 0.0,
        }
        for period in laid.periods
        for frame, clock in dict.fromkeys(period.stops if cut is None else cut.stops(period))
        if frame <= frames
    ]
    return tables.validate("anchors", pl.DataFrame(rows, schema=tables.dtypes("anchors")))


def event_times_of(
    game_id: str, laid: Plan, frames: int, cut: Montage | None = None
) -> pl.DataFrame:
    """When the action of each event is seen, table ``event_times``; not those left out."""
    shown = {
        event: frame if cut is None else int(cut.at[frame])
        for event, frame in laid.event_frames.items()
        if cut is None or not cut.missing[frame]
    }
    rows = [
        {"game_id": game_id, "event_id": event, "media_s": frame / float(laid.fps)}
        for event, frame in sorted(shown.items(), key=lambda item: (item[1], item[0]))
        if frame < frames
    ]
    return tables.validate("event_times", pl.DataFrame(rows, schema=tables.dtypes("event_times")))


# -- in a workspace -------------------------------------------------------------------------


_GAME_TABLES: tuple[tables.TableName, ...] = ("events", "appearances", "stints")


@dataclass(frozen=True)
class _Job:
    game: dict[str, Any]
    events: pl.DataFrame
    appearances: pl.DataFrame
    stints: pl.DataFrame
    root: Path
    settings: RenderSettings
    seed: int
    periods: tuple[int, ...] | None
    max_s: float | None

    @property
    def video(self) -> str:
        return f"videos/{self.game['game_id']}.mp4"

    def fingerprint(self) -> str:
        """Changes when anything that the video shows changes; the order of rows does not matter."""
        settings = asdict(self.settings)
        if self.settings.difficulty == EASY:
            del settings["difficulty"]  # as videos were known before there was any
        what = (sorted(settings.items()), self.seed, self.periods, self.max_s)
        return fingerprint(self.game, self.events, self.appearances, self.stints, what)


def fingerprint(
    game: Mapping[str, Any],
    events: pl.DataFrame,
    appearances: pl.DataFrame,
    stints: pl.DataFrame,
    filmed: tuple[object, ...] = (),
) -> str:
    """A hash of all that a game's pictures are made of, whatever the order of rows.

    Args:
        game: its row of table ``games``.
        events: its rows of table ``events``.
        appearances: its rows of table ``appearances``.
        stints: its rows of table ``stints``.
        filmed: how it is filmed.
    """
    digest = hashlib.sha256()
    facts = {key: str(value) for key, value in sorted(game.items()) if key != "video"}
    digest.update(repr((RENDERER_VERSION, facts, *filmed)).encode())
    for frame, by in (
        (events, ["event_id"]),
        (appearances, ["player_id"]),
        (stints, ["team_id", "period", "first_order"]),
    ):
        digest.update(frame.sort(by).write_json().encode())
    return digest.hexdigest()


def _receipt(root: Path, game_id: str) -> Path:
    return Workspace(root).private / "renders" / f"{game_id}.json"


def _known(job: _Job, fingerprint: str) -> dict[str, Any] | None:
    """The receipt of a video that is there, whole, and made from this very input."""
    path = _receipt(job.root, job.game["game_id"])
    video = job.root / job.video
    if not path.exists() or not video.exists():
        return None
    receipt = Workspace(job.root).read_json(f"renders/{job.game['game_id']}.json")
    same = receipt.get("fingerprint") == fingerprint
    return receipt if same and receipt.get("bytes") == video.stat().st_size else None


def _work(job: _Job) -> int:
    """Render one game and leave a receipt, from which the tables can be written at any time."""
    path = job.root / job.video
    done = render(
        job.game,
        job.events,
        job.appearances,
        job.stints,
        path,
        settings=job.settings,
        seed=job.seed,
        periods=job.periods,
        max_s=job.max_s,
    )
    write_json(
        _receipt(job.root, job.game["game_id"]),
        {
            "fingerprint": job.fingerprint(),
            "bytes": path.stat().st_size,
            "frames": done.frames,
            "anchors": done.anchors.drop("game_id").rows(),
            "event_times": done.event_times.drop("game_id").rows(),
        },
    )
    return done.frames


def _jobs(
    workspace: Workspace,
    games: Sequence[str] | None,
    settings: RenderSettings,
    seed: int,
    periods: Sequence[int] | None,
    max_s: float | None,
) -> list[_Job]:
    wanted = None if games is None else set(games)
    jobs: list[_Job] = []
    known: list[str] = []
    for pair in workspace.seasons("games"):
        rows = workspace.read("games", *pair).sort("game_id")
        known += rows["game_id"].to_list()
        if wanted is not None:
            rows = rows.filter(pl.col("game_id").is_in(list(wanted)))
        if not rows.height:
            continue
        ids = rows["game_id"].to_list()
        parts: dict[str, dict[str, pl.DataFrame]] = {}
        for name in _GAME_TABLES:
            frame = workspace.read_or_empty(name, *pair).filter(pl.col("game_id").is_in(ids))
            split = frame.partition_by("game_id", as_dict=True)
            parts[name] = {str(key[0]): value for key, value in split.items()}
        for row in rows.iter_rows(named=True):
            frames = [parts[name].get(row["game_id"], tables.empty(name)) for name in _GAME_TABLES]
            jobs.append(
                _Job(
                    row,
                    frames[0],
                    frames[1],
                    frames[2],
                    workspace.root,
                    settings,
                    seed,
                    None if periods is None else tuple(periods),
                    max_s,
                )
            )
    missing = sorted((wanted or set()) - set(known))
    if missing:
        raise BadInputError(
            [
                Problem(
                    str(workspace.private / "games"),
                    None,
                    "game_id",
                    repr(game),
                    f"one of {counted(len(known), 'game')}, such as {', '.join(known[:3]) or 'none'}",
                )
                for game in missing
            ]
        )
    if not jobs:
        raise NotFoundError(
            f"there is no game to render in '{workspace.root}'. "
            "Make some with 'openbasket simulate' or 'openbasket import'"
        )
    return jobs


def render_all(
    workspace: Workspace,
    games: Sequence[str] | None = None,
    *,
    settings: RenderSettings | None = None,
    seed: int = 0,
    periods: Sequence[int] | None = None,
    max_s: float | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> RenderReport:
    """Render games of a workspace, in parallel; those already rendered from equal input are kept.

    Writes ``videos/<game_id>.mp4``, the tables ``anchors`` and ``event_times``, and the column
    ``video`` of ``games``. A run that was killed continues with the games it had not finished.

    Args:
        workspace: the dataset.
        games: only these; all by default.
        settings: dead times and encoder.
        seed: for whatever the events leave open.
        periods: only these periods.
        max_s: stop each game after so many seconds of video.
        workers: processes; all cores by default.
        quiet: no progress bar.

    Raises:
        BadInputError: a game that the workspace does not have.
        NotFoundError: no games at all.
    """
    settings = settings or RenderSettings()
    jobs = _jobs(workspace, games, settings, seed, periods, max_s)
    if workspace.videos.exists():
        remove_leftovers(workspace.videos)
    todo, kept = [], []
    for job in jobs:
        if _known(job, job.fingerprint()) is None:
            todo.append(job)
        else:
            kept.append(job.game["game_id"])
    outcomes = engine.run(_work, todo, describe="Rendering games", workers=workers, quiet=quiet)
    failed = tuple((o.item.game["game_id"], o.error) for o in outcomes if o.error is not None)
    bad = {game for game, _ in failed}
    done = [job for job in jobs if job.game["game_id"] not in bad]
    frames = _record(workspace, done)
    rendered = tuple(j.game["game_id"] for j in todo if j.game["game_id"] not in bad)
    return RenderReport(rendered, tuple(kept), failed, frames)


def _record(workspace: Workspace, jobs: Sequence[_Job]) -> int:
    """Write what the receipts say into the tables; rows of other games stay."""
    ids = [job.game["game_id"] for job in jobs]
    frames = 0
    found: dict[str, list[dict[str, Any]]] = {"anchors": [], "event_times": []}
    for game_id in ids:
        receipt = workspace.read_json(f"renders/{game_id}.json")
        frames += int(receipt["frames"])
        for name, rows in found.items():
            columns = [c for c in tables.dtypes(name) if c != "game_id"]  # type: ignore[arg-type]
            rows += [
                {"game_id": game_id, **dict(zip(columns, row, strict=True))}
                for row in receipt[name]
            ]
    for name, rows in found.items():
        table: tables.TableName = name  # type: ignore[assignment]
        new = pl.DataFrame(rows, schema=tables.dtypes(table))
        if workspace.has(table):
            old = workspace.read(table).filter(~pl.col("game_id").is_in(ids))
            new = pl.concat([old, new])
        by = ["game_id", "media_s"]
        workspace.write(table, new.sort(by, maintain_order=True))
    for pair in workspace.seasons("games"):
        rows_of = workspace.read("games", *pair)
        mine = pl.col("game_id").is_in(ids)
        path = pl.format("videos/{}.mp4", pl.col("game_id"))
        changed = rows_of.with_columns(
            pl.when(mine).then(path).otherwise(pl.col("video")).alias("video")
        )
        if not changed.equals(rows_of):
            workspace.write("games", changed, *pair)
    return frames


def render_game(
    workspace: Workspace,
    game_id: str,
    *,
    settings: RenderSettings | None = None,
    seed: int = 0,
    periods: Sequence[int] | None = None,
    max_s: float | None = None,
) -> RenderedGame:
    """Render one game of a workspace, in this process, and record it in the tables.

    Raises:
        BadInputError: the workspace has no such game, or the game has no events.
    """
    report = render_all(
        workspace,
        [game_id],
        settings=settings,
        seed=seed,
        periods=periods,
        max_s=max_s,
        workers=1,
        quiet=True,
    )
    if report.failed:
        raise OpenBasketError(f"game '{game_id}' could not be rendered: {report.failed[0][1]}")
    mine = pl.col("game_id") == game_id
    return RenderedGame(
        game_id,
        workspace.videos / f"{game_id}.mp4",
        report.frames,
        workspace.read("anchors").filter(mine),
        workspace.read("event_times").filter(mine),
    )

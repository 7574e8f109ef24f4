"""Read the game clock off the scoreboard of a video, and make anchors of it.

The board is found without being told where it is (:mod:`openbasket.clock.board`). Key frames some
seconds apart are read; a chain of readings that one clock can have shown is kept
(:mod:`openbasket.clock.chain`); and where the clock stopped, started or jumped between two of them,
more pictures are read until the moment is known. A game that cannot be read with certainty is
refused with the reason; nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.clock.anchors import format_time
from openbasket.clock.board import Board, Seen, find_board
from openbasket.clock.chain import (
    GameRules,
    Shown,
    Stretch,
    heaviest_chain,
    other_senses,
    stretches,
    undecided,
    unexplained,
)
from openbasket.clock.emit import Anchor, Wanted, anchors_of, wanted_clocks
from openbasket.clock.fit import UNPROVEN_S, GameClock, locate
from openbasket.clock.ocr import Box
from openbasket.clock.proof import proven
from openbasket.clock.segments import MOMENT_S, Run, Segments, Stand, Wish, segments, wishes
from openbasket.errors import BadInputError
from openbasket.storage import Place
from openbasket.video.glances import Glances
from openbasket.wording import counted

__all__ = ["ScanSettings", "ScoreboardReport", "read_scoreboard"]

#: A reading of several senses (8.0 or, with a lost digit, 18.0) is told by another one so shortly before it.
_SENSE_S = 6.0
#: Share of a game's stops that its play-by-play tells, at the least; a video is another game's if its stops
#: are so many times as likely there.
_STOPS, _OTHER = 0.6, 50.0
#: Where to look for what proves an event: so far from its moment, unless something so near was read.
_BESIDE_S, _NEAR_S = (-5.2, -0.8, 0.8, 5.2), 0.4


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """How much of a video is read, and when a game is refused.

    Args:
        step_s: media seconds between the pictures of the first scan.
        rounds: how often more pictures are read where something is open.
        readings: pictures that are read in all, at most.
        error_s: how far an event's media time may be off; one that is open by more is not placed.
        located: share of the events that must be placed; else the game is refused.
    """

    step_s: float = 10.0
    rounds: int = 16
    readings: int = 4000
    error_s: float = 2.0
    located: float = 0.5


@dataclass(frozen=True)
class ScoreboardReport:
    """What was read, and whether it is good enough.

    Args:
        game_id: the game.
        anchors: table ``anchors``, ``how="scoreboard"``; empty where the game is refused.
        refused: why, and what to do; None where the game is accepted.
        readings: what each picture shows, by media time.
        used: how many of them the clock map rests on.
        rejected: how many showed a clock, but cannot be right.
        board: where the clock stands, (left, top, right, bottom) in pixels; None where none was found.
        moves: the board was sought in each picture anew.
        located: share of the events whose media time is known; 1 where no events were given.
    """

    game_id: str
    anchors: pl.DataFrame
    refused: str | None
    readings: tuple[Seen, ...] = ()
    used: int = 0
    rejected: int = 0
    board: Box | None = None
    moves: bool = False
    located: float = 1.0


def read_scoreboard(
    video: Place,
    game: Mapping[str, Any],
    events: pl.DataFrame | None = None,
    settings: ScanSettings | None = None,
) -> ScoreboardReport:
    """Sync a game's video by its scoreboard.

    Args:
        video: the file.
        game: its row of the games table (``game_id``, ``periods``, ``period_s``, ``overtime_s``).
        events: its rows of the events table. With them, only what matters to them is pinned down,
            and a video whose clock stops at other moments is recognised as another game's.
        settings: how much is read.

    Raises:
        VideoError: no such video, or it cannot be opened.
        DependencyError: rapidocr or onnxruntime is not installed.
    """
    rules = GameRules(int(game["periods"]), float(game["period_s"]), float(game["overtime_s"]))
    wanted = {} if events is None else wanted_clocks(events.to_dicts())
    settings = settings or ScanSettings()
    with Glances(video) as glances:
        scan = _Scan(glances, rules, wanted, settings)
        refused = scan.look()
    return _report(str(game["game_id"]), scan, events, refused)


class _Scan:
    """One game's video while it is read."""

    def __init__(
        self, video: Glances, rules: GameRules, wanted: dict[int, Wanted], settings: ScanSettings
    ) -> None:
        self.video, self.rules, self.wanted, self.settings = video, rules, wanted, settings
        self.duration_s = video.duration_s
        self.seen: dict[float, Seen] = {}
        self.tried: set[float] = set()
        self.sparse: set[float] = set()
        self.board: Board | None = None
        self.chain: list[Shown] = []
        self.shown: list[Shown] = []
        self.others: dict[float, Shown] = {}
        self.found: list[Segments] = []
        self.kept: list[Stretch] = []

    def look(self) -> str | None:
        """Read the video; the reason where it cannot be the game."""
        rules, duration = self.rules, self.duration_s
        self.board = find_board(self.video, rules.periods, max(rules.period_s, rules.overtime_s))
        if self.board is None:
            return "no game clock was found in the picture. Sync it by hand, with a CSV of anchors"
        count = max(int(duration / self.settings.step_s), 8)
        for i in range(count + 1):
            self._key(min(duration * i / count, duration))
        self.sparse = set(self.seen)
        refused = self._fit()
        for _ in range(self.settings.rounds):
            if refused is not None or len(self.seen) >= self.settings.readings:
                break
            looks = self._choose() or self._unproven()
            if not looks:
                break
            for wish in looks:
                self._grant(wish)
            refused = self._fit()
        return refused

    # -- looking

    def _note(self, glance: tuple[float, Any] | None) -> None:
        if glance is None or glance[0] in self.seen:
            return
        assert self.board is not None
        self.seen[glance[0]] = self.board.read(*glance)

    def _key(self, media_s: float) -> None:
        self._note(self.video.key(media_s))

    def _grant(self, wish: Wish) -> None:
        """Read a picture for a wish: a key frame where one is near enough."""
        assert wish.at is not None
        if wish.high - wish.low > 2.0:
            key = self.video.key(wish.high)
            if key is not None and key[0] > wish.low and key[0] not in self.seen:
                self._note(key)
                return
        self.tried.add(round(wish.at, 2))
        self._note(self.video.at(wish.at))

    def _choose(self) -> list[Wish]:
        """What to look at next, in the order of the video; nothing twice."""
        looks: list[Wish] = []
        known = sorted(self.tried | set(self.seen))
        for index, part in enumerate(self.found):
            wanted, before, after = self.around(index)
            for wish in wishes(part, wanted.matters, wanted.stops, before, after):
                looks += self._resolve(wish, known)
        for last, now in pairwise(self.chain):
            if now.media_s in self.others and now.media_s - last.media_s > _SENSE_S:
                looks += self._resolve(Wish(None, last.media_s, now.media_s), known)
        fresh: dict[float, Wish] = {}
        for look in looks:
            if look.at is not None and 0 <= look.at <= self.duration_s:
                fresh.setdefault(round(look.at, 2), look)
        return sorted(fresh.values(), key=lambda w: w.at or 0.0)

    def _unproven(self) -> list[Wish]:
        """Where more readings may prove what the clock map says of an event."""
        looks: list[Wish] = []
        known = [*self.seen, *self.tried]
        try:
            anchors = [anchor for _, anchor in self.anchors()]
        except BadInputError:  # they contradict each other, which the report says
            return []
        for anchor in anchors:
            if anchor.residual_s < UNPROVEN_S or anchor.clock_s <= 0:
                continue
            for away in _BESIDE_S:
                at = round(anchor.media_s + away, 2)
                if 0 <= at <= self.duration_s and all(abs(at - t) >= _NEAR_S for t in known):
                    known.append(at)
                    looks.append(Wish(at, at, at))
        return sorted(looks, key=lambda w: w.low)

    def anchors(self) -> Iterator[tuple[int, Anchor]]:
        """The anchors of each period that was found, with what the readings prove of them."""
        doubts = [*unexplained(self.shown, self.chain), *undecided(self.chain, self.others)]
        for index, (part, read) in enumerate(zip(self.found, self.kept, strict=True)):
            wanted, before, after = self.around(index)
            fitted = anchors_of(part, wanted, before, after)
            if fitted:
                for anchor in proven(fitted, read.shown, wanted, part.length_s, doubts):
                    yield part.period, anchor

    def _resolve(self, wish: Wish, known: Sequence[float]) -> list[Wish]:
        """Say exactly where to look: at the moment wished for, or beside what was looked at before."""
        if wish.at is not None and not any(abs(t - wish.at) < 0.05 for t in known):
            return [replace(wish, low=wish.at, high=wish.at)]
        inside = [t for t in known if wish.low + 0.02 < t < wish.high - 0.02]
        points = [wish.low, *inside, wish.high]
        gaps = {(points[0], points[1]), (points[-2], points[-1])}
        looks = []
        for a, b in gaps:
            if b - a > MOMENT_S:
                quarter = (b - a) / 4
                looks.append(Wish((a + b) / 2, a + quarter, b - quarter))
        return looks

    def around(self, index: int) -> tuple[Wanted, float, float]:
        """What is wanted of a period, and the media times between which it lies."""
        nothing = Wanted(Counter(), Counter(), given=bool(self.wanted))
        before = self.found[index - 1].parts[-1].last if index else 0.0
        last = index + 1 == len(self.found)
        after = self.duration_s if last else self.found[index + 1].parts[0].first
        return self.wanted.get(self.found[index].period, nothing), before, after

    # -- fitting

    def _fit(self) -> str | None:
        shown = [
            Shown(
                s.media_s,
                r.clock_s,
                r.tick_s,
                s.period,
                1.0 if s.media_s in self.sparse else 0.3,
                as_read=r is s.clocks[0],
            )
            for s in self.seen.values()
            for r in s.clocks
        ]
        self.chain = heaviest_chain(shown, self.rules)
        parts = stretches(self.chain, self.rules)
        if not self._named(parts):
            # What was read as the period is something else: count them, if all are there.
            unnamed = [replace(s, period=None) for s in shown]
            chain = heaviest_chain(unnamed, self.rules)
            counted = stretches(chain, self.rules)
            if not isinstance(counted, str) and len(counted) == self._periods():
                self.chain, parts = chain, counted
        if isinstance(parts, str):
            return f"{parts}: the video does not show this game as its table has it"
        kept = [p for p in parts if sum(s.weight for s in p.shown) >= 2.0 or len(parts) == 1]
        self.others = other_senses(shown, self.chain)
        self.shown = shown
        used = {s.media_s for s in self.chain}
        other = [s.media_s for s in self.seen.values() if s.clocks and s.media_s not in used]
        self.kept = [part for part in kept if part.shown]
        self.found = [segments(part, self.rules, other) for part in self.kept]
        return self._doubts(kept)

    def _periods(self) -> int:
        """How many periods the game has, as far as its events tell."""
        return max([self.rules.periods, *self.wanted])

    def _named(self, parts: Sequence[Stretch] | str) -> bool:
        """Whether the periods that were read can be this game's."""
        return not isinstance(parts, str) and {p.period for p in parts} == set(
            range(1, self._periods() + 1)
        )

    def _doubts(self, parts: Sequence[Stretch]) -> str | None:
        """Why the chain cannot be trusted, judged by the first scan; None where it can."""
        rules = self.rules
        read = [s for s in self.seen.values() if s.clocks and s.media_s in self.sparse]
        used = [s for s in self.chain if s.media_s in self.sparse]
        if len(used) < 6:
            return (
                f"only {counted(len(used), 'reading')} of a clock agree with each other (of {len(read)}); "
                "at least 6 are needed. Sync it by hand, with a CSV of anchors"
            )
        if len(used) < 0.6 * len(read):
            return (
                f"only {len(used)} of {len(read)} readings of a clock agree with each other. "
                "Is this the game's video?"
            )
        longest = max(rules.period_s, rules.overtime_s)
        over = [s for s in read if all(longest < r.clock_s for r in s.clocks)]
        if len(over) > 0.05 * len(read):
            shown = format_time(max(r.clock_s for s in over for r in s.clocks))
            return (
                f"the clock shows {shown}; periods of this game last "
                f"{format_time(rules.period_s)}. Is this the game's video?"
            )
        regular = [p for p in parts if p.period <= rules.periods]
        tops = [max(s.clock_s for s in p.shown) for p in regular]
        if len(tops) >= 2 and max(tops) < rules.period_s - 45:
            return (
                f"no period is seen to begin above {format_time(max(tops))}; periods of this game "
                f"last {format_time(rules.period_s)}. Is this the game's video?"
            )
        runs = [p for f in self.found for p in f.parts if isinstance(p, Run) and p.readings]
        ran = sum(run.last - run.first for run in runs)
        if ran < 20.0:
            return (
                "the clock was never seen to run for long. Sync it by hand, with a CSV of anchors"
            )
        if not any(s.period for s in self.chain) and len(regular) < rules.periods:
            return (
                f"the scoreboard does not show the period, and only {len(parts)} of "
                f"{rules.periods} periods were found: which ones is open. Sync it by hand"
            )
        return self._other_stops()

    def _other_stops(self) -> str | None:
        """Whether the clock stops where the events say; another game's stops elsewhere."""
        hits, total, other = 0, 0, 0.0
        for part in self.found:
            wanted = self.wanted.get(part.period)
            if wanted is None or len(wanted.stopping) < 3:
                continue
            moments = {int(c) for c in wanted.stopping}
            around = {m + d for m in moments for d in (-1, 0, 1)}
            share = min(len(around) / part.length_s, 0.99)
            for stand in part.parts:
                inside = isinstance(stand, Stand) and 1 < stand.clock_s < part.length_s - 1
                if isinstance(stand, Stand) and inside and stand.last - stand.first > 1.5:
                    hit = int(stand.clock_s) in around
                    hits, total = hits + hit, total + 1
                    other += log(share / _STOPS) if hit else log((1 - share) / (1 - _STOPS))
        if other < log(_OTHER):
            return None
        return (
            f"the clock stops at other moments than the play-by-play: {hits} of {total} stops agree. "
            "Is this the game's video?"
        )


def _anchors(game_id: str, scan: _Scan) -> pl.DataFrame:
    rows = [
        (game_id, period, a.clock_s, a.media_s, "scoreboard", a.residual_s)
        for period, a in scan.anchors()
    ]
    frame = pl.DataFrame(rows, schema=tables.dtypes("anchors"), orient="row")
    return tables.validate("anchors", frame)


def _report(
    game_id: str, scan: _Scan, events: pl.DataFrame | None, refused: str | None
) -> ScoreboardReport:
    readings = tuple(sorted(scan.seen.values(), key=lambda s: s.media_s))
    anchors = tables.empty("anchors")
    located = 1.0
    if refused is None:
        try:
            anchors = _anchors(game_id, scan)
            GameClock(anchors)
            if events is not None and events.height:
                found = locate(events, anchors, tolerance_s=scan.settings.error_s)
                located = found.times.height / events.height
        except BadInputError as error:
            refused = f"its readings contradict each other: {error}"
        if refused is None and located < scan.settings.located:
            refused = (
                f"only {located:.0%} of the events can be placed within {scan.settings.error_s:g} s; "
                f"at least {scan.settings.located:.0%} are needed. Sync it by hand, with a CSV of anchors"
            )
    if refused is not None:
        anchors = tables.empty("anchors")
    used = len(scan.chain)
    clocks = sum(1 for s in readings if s.clocks)
    board = scan.board
    return ScoreboardReport(
        game_id,
        anchors,
        refused,
        readings,
        used,
        clocks - used,
        None if board is None else board.clock,
        board is not None and board.moves,
        located,
    )

"""Play invented leagues, possession by possession, into the standard tables.

Each player has 20 latent skills; each moves the statistic of its name (``tests`` prove it, one by
one). Games follow FIBA rules: four periods and overtime, a shot clock of 24 s (14 after an offensive
rebound), alternating possession, five personal fouls, two free throws from the fifth team foul
of a period on. Rates are set so that 40-minute games look like EuroLeague 2022-23
(``benchmarks/simulation_realism.py``).
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import polars as pl

from openbasket import tables
from openbasket.errors import ConfigError
from openbasket.progress import track
from openbasket.simulation.people import POSITIONS, Person, drifted, new_person, stream, team_names
from openbasket.transcripts.stints import stints
from openbasket.workspace import Workspace, atomic_path

__all__ = [
    "GameRows",
    "LeagueSettings",
    "SimulationReport",
    "demo_leagues",
    "full_leagues",
    "simulate",
    "simulate_game",
]

FIVE = 5
FOUL_LIMIT = 5
BONUS_FOUL = 5
SHOT_CLOCK_S, SECOND_CHANCE_CLOCK_S = 24.0, 14.0
#: How strongly one standard deviation of a latent skill moves the log-odds of what it stands for.
EDGE = 0.28


@dataclass(frozen=True)
class LeagueSettings:
    """An invented league.

    Args:
        league: identifier.
        gender: ``men`` or ``women``.
        region: where it plays.
        teams: number of teams, even or odd.
        players_per_team: roster size, from 6.
        rounds: how often each pair of teams meets in a season.
        seasons: seasons that are played, like ``("21-22", "22-23")``.
        period_s: length of a period in seconds (FIBA: 600).
        periods: periods of regular time.
        overtime_s: length of an overtime.
        turnover: share of a roster that is new each season.
    """

    league: str
    gender: str = "men"
    region: str = "Europe"
    teams: int = 12
    players_per_team: int = 12
    rounds: int = 2
    seasons: tuple[str, ...] = ("21-22", "22-23")
    period_s: float = 600.0
    periods: int = 4
    overtime_s: float = 300.0
    turnover: float = 0.25

    def __post_init__(self) -> None:
        rules = {
            "teams": (self.teams, 2, 40),
            "players_per_team": (self.players_per_team, 6, 15),
            "rounds": (self.rounds, 1, 20),
            "period_s": (self.period_s, 20, 1200),
            "periods": (self.periods, 1, 8),
            "overtime_s": (self.overtime_s, 20, 600),
            "turnover": (self.turnover, 0, 1),
        }
        faults = [
            f"{name}: got {value}; allowed: {least} to {most}"
            for name, (value, least, most) in rules.items()
            if not least <= value <= most
        ]
        if self.gender not in tables.GENDERS:
            faults.append(f"gender: got {self.gender!r}; allowed: {', '.join(tables.GENDERS)}")
        if not self.seasons:
            faults.append("seasons: got none; allowed: one or more, like '21-22'")
        if faults:
            raise ConfigError(f"league '{self.league}': " + "; ".join(faults))


def demo_leagues() -> tuple[LeagueSettings, ...]:
    """Two small leagues, one of women, with games of a few minutes; rules are the full ones."""
    short = {
        "players_per_team": 6, "rounds": 1, "period_s": 24.0, "overtime_s": 20.0, "turnover": 0.6,
    }  # fmt: skip
    return (
        LeagueSettings("sim-men", "men", "Europe", teams=4, **short),  # type: ignore[arg-type]
        LeagueSettings("sim-women", "women", "N. America", teams=3, **short),  # type: ignore[arg-type]
    )


def full_leagues() -> tuple[LeagueSettings, ...]:
    """Two leagues of twelve teams that play whole seasons of 40-minute games."""
    return (
        LeagueSettings("sim-men", "men", "Europe"),
        LeagueSettings("sim-women", "women", "N. America"),
    )


@dataclass
class SimulationReport:
    """What was simulated: one dictionary of counts for each league and season."""

    seed: int
    seasons: list[dict[str, Any]] = field(default_factory=list)

    def rows(self) -> list[tuple[str, ...]]:
        """Rows for printing: league, season, games, players, events."""
        return [
            (s["league"], s["season"], *(f"{s[k]:,}" for k in ("games", "players", "events")))
            for s in self.seasons
        ]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {"seed": self.seed, "seasons": self.seasons}


def simulate(
    workspace: Workspace,
    leagues: Sequence[LeagueSettings],
    *,
    seed: int = 0,
    quiet: bool = False,
) -> SimulationReport:
    """Play leagues and write their standard tables, and the truth beside them.

    The truth, ``openbasket/latent_skills.parquet``, has ``player_id, league, season, skill, value``.
    """
    report = SimulationReport(seed)
    truth: list[tuple[str, str, str, str, float]] = []
    everyone: dict[str, Person] = {}
    jobs = [(league, season) for league in leagues for season in league.seasons]
    rosters: dict[str, dict[str, list[Person]]] = {}
    for league, season in track(jobs, "simulating", quiet=quiet):
        teams = _rosters(league, season, rosters.get(league.league), seed)
        rosters[league.league] = teams
        for people in teams.values():
            for person in people:
                everyone.setdefault(person.player_id, person)
                truth += [
                    (person.player_id, league.league, season, key, value)
                    for key, value in person.skills.items()
                ]
        frames = _season(league, season, teams, seed)
        pair = (league.league, season)
        for table, frame in frames.items():
            workspace.write(cast(tables.TableName, table), frame, *pair)
        counts = {table: frame.height for table, frame in frames.items()}
        report.seasons.append(
            {
                "league": league.league,
                "season": season,
                "games": counts["games"],
                "players": sum(map(len, teams.values())),
                "events": counts["events"],
            }
        )
    people_rows = [
        (p.player_id, p.name, p.gender, p.birth_date, p.nationality, p.height_cm, p.position)
        for _, p in sorted(everyone.items())
    ]
    workspace.write("players", pl.DataFrame(people_rows, tables.dtypes("players"), orient="row"))
    schema = ["player_id", "league", "season", "skill"]
    latent = pl.DataFrame(
        truth, dict.fromkeys(schema, pl.String) | {"value": pl.Float64}, orient="row"
    )
    with atomic_path(workspace.private / "latent_skills.parquet") as path:
        latent.sort(schema).write_parquet(path)
    return report


def _rosters(
    league: LeagueSettings, season: str, before: dict[str, list[Person]] | None, seed: int
) -> dict[str, list[Person]]:
    """This season's teams: last season's players a year older, some of them replaced."""
    year = 2000 + int(season[:2])
    teams: dict[str, list[Person]] = {}
    for code, _ in team_names(league.teams, league.league, seed):
        rng = stream("roster", seed, league.league, season, code)
        old = (before or {}).get(code, [])
        stay = [drifted(p, year, seed) for p in old if rng.random() >= league.turnover]
        people = list(stay)
        for slot in range(league.players_per_team - len(stay)):
            have = [sum(p.position == q for p in people) for q in POSITIONS]
            position = POSITIONS[have.index(min(have))]
            player_id = f"{league.league}-{code}-{season.replace('-', '')}-{slot + 1:02d}".lower()
            people.append(new_person(player_id, league.gender, position, year, seed))
        taken: set[str] = set()
        for person in people:
            if person.number in taken or person.number == "0":
                free = [str(n) for n in range(4, 56) if str(n) not in taken]
                person.number = rng.choice(free)
            taken.add(person.number)
        teams[code] = people
    return teams


def _season(
    league: LeagueSettings, season: str, teams: dict[str, list[Person]], seed: int
) -> dict[str, pl.DataFrame]:
    names = dict(team_names(league.teams, league.league, seed))
    codes = sorted(teams)
    pairs = [
        (a, b) if (turn + i + j) % 2 else (b, a)
        for turn in range(league.rounds)
        for i, a in enumerate(codes)
        for j, b in enumerate(codes)
        if i < j
    ]
    start = dt.date(2000 + int(season[:2]), 10, 1)
    parts: dict[str, list[tuple[Any, ...]]] = {
        "games": [], "appearances": [], "box_scores": [], "events": [],
    }  # fmt: skip
    for number, (home, away) in enumerate(pairs, 1):
        game_id = f"{league.league}-{season.replace('-', '')}-{number:03d}"
        date = start + dt.timedelta(days=number * 200 // len(pairs))
        rng = stream("game", seed, game_id)
        rows = simulate_game(game_id, home, teams[home], away, teams[away], league, rng, date)
        parts["games"].append(
            (
                game_id, league.league, season, date, league.gender, league.region, home, away,
                names[home], names[away], rows.score[home], rows.score[away],
                league.periods, league.period_s, league.overtime_s, None, "simulation",
            )
        )  # fmt: skip
        parts["appearances"] += rows.appearances
        parts["box_scores"] += rows.box_scores
        parts["events"] += rows.events
    frames = {
        table: pl.DataFrame(rows, tables.dtypes(cast(tables.TableName, table)), orient="row")
        for table, rows in parts.items()
    }
    frames["stints"] = stints(frames["games"], frames["appearances"], frames["events"])
    return frames


@dataclass
class GameRows:
    """A simulated game: rows of the standard tables, and the final score by team."""

    appearances: list[tuple[Any, ...]]
    box_scores: list[tuple[Any, ...]]
    events: list[tuple[Any, ...]]
    score: dict[str, int]


def simulate_game(
    game_id: str,
    home: str,
    home_players: Sequence[Person],
    away: str,
    away_players: Sequence[Person],
    settings: LeagueSettings,
    rng: random.Random,
    date: dt.date = dt.date(2022, 10, 1),
) -> GameRows:
    """Play one game."""
    return _Game(
        game_id, {home: list(home_players), away: list(away_players)}, settings, rng, date
    ).play()


class _Player:
    """A person on the day of a game."""

    __slots__ = (
        "box",
        "form_defense",
        "form_offense",
        "foul_count",
        "person",
        "played_s",
        "plus_minus",
        "share",
        "skills",
        "team",
    )

    def __init__(self, person: Person, team: str, share: float, rng: random.Random) -> None:
        self.person, self.team, self.share = person, team, share
        self.skills = person.skills
        self.played_s, self.plus_minus, self.foul_count = 0.0, 0, 0
        self.box: dict[str, int] = dict.fromkeys(tables.BOX_STATS, 0)
        # A consistent player has good days more often, and strays less from them.
        self.form_offense = self._form("offensive_consistency", rng)
        self.form_defense = self._form("defensive_consistency", rng)

    def _form(self, skill: str, rng: random.Random) -> float:
        consistency = self.skills[skill]
        return 0.3 * consistency + 0.5 * math.exp(-0.25 * consistency) * rng.gauss(0, 1)

    def __getitem__(self, skill: str) -> float:
        return self.skills[skill]


class _Game:
    """The running state of a game."""

    def __init__(
        self,
        game_id: str,
        teams: dict[str, list[Person]],
        settings: LeagueSettings,
        rng: random.Random,
        date: dt.date,
    ) -> None:
        self.game_id, self.settings, self.rng = game_id, settings, rng
        self.codes = list(teams)
        self.rosters: dict[str, list[_Player]] = {}
        self.court: dict[str, list[_Player]] = {}
        for code, people in teams.items():
            order = sorted(people, key=lambda p: (-p.talent, p.player_id))
            shares = _minute_shares(len(order))
            players = [_Player(p, code, s, rng) for p, s in zip(order, shares, strict=True)]
            self.rosters[code] = players
            self.court[code] = _balanced_five(players)
        self.starters = {id(p) for five in self.court.values() for p in five}
        self.score = dict.fromkeys(self.codes, 0)
        self.team_fouls = dict.fromkeys(self.codes, 0)
        self.timeouts = dict.fromkeys(self.codes, 5)
        self.events: list[tuple[Any, ...]] = []
        self.period, self.clock_s = 1, settings.period_s
        self.play_id = -1
        self.wall = dt.datetime.combine(date, dt.time(19, 0), dt.UTC)
        self.arrow = self.codes[0]
        self.elapsed_s = 0.0

    # -- the course of the game --------------------------------------------------------------

    def play(self) -> GameRows:
        s = self.settings
        period = 1
        while period <= s.periods or self.score[self.codes[0]] == self.score[self.codes[1]]:
            self.period = period
            self.clock_s = s.period_s if period <= s.periods else s.overtime_s
            if period <= s.periods:  # overtime continues the last period's fouls
                self.team_fouls = dict.fromkeys(self.codes, 0)
            self._note("period_start")
            if period == 1:
                winner = self.codes[self.rng.random() < 0.5]
                self._note("jump_ball", team=winner)
                self.arrow = self._other(winner)
                offense = winner
            else:
                self._substitute(force=True)
                offense, self.arrow = self.arrow, self._other(self.arrow)
            while self.clock_s > 0:
                offense = self._possession(offense)
            self._note("period_end")
            period += 1
        return GameRows(self._appearances(), self._box_scores(), self.events, self.score)

    def _possession(self, offense: str) -> str:
        """Play until the ball changes hands or the period ends; return who has it next."""
        shot_clock = SHOT_CLOCK_S
        while True:
            outcome = self._try(offense, shot_clock)
            if outcome == "again":
                shot_clock = SECOND_CHANCE_CLOCK_S
                continue
            if outcome == "end":
                return offense
            return self._other(offense)

    def _try(self, offense: str, shot_clock: float) -> str:
        """One attempt: ``change`` (ball to the other team), ``again`` (it stays) or ``end``."""
        rng = self.rng
        defense = self._other(offense)
        first = shot_clock == SHOT_CLOCK_S
        used = rng.gammavariate(5.5, 2.68) if first else rng.gammavariate(2.5, 2.3)
        used = min(max(used, 2.5 if first else 1.0), shot_clock - 0.1)
        hurried = used >= self.clock_s - 0.3
        if hurried:
            if self.clock_s < 2.0 or rng.random() < 0.35:
                self._run(self.clock_s)
                return "end"
            used = self.clock_s - rng.uniform(0.3, min(1.5, self.clock_s / 2))
        attack = self.court[offense]
        guard = self.court[defense]
        handler = self._pick(attack, self._usage)
        matchup = self._matchups(attack, guard)
        self._moves(attack, handler, used, hurried)
        # The ball is lost before a shot comes.
        care = (
            0.6 * handler["turnovers"]
            + 0.25 * handler["passing_accuracy"]
            + 0.2 * handler["efficiency"]
        )
        pressure = self._mean(guard, "steals") + 0.6 * self._mean_form(guard)
        if rng.random() < _odds(
            0.140, -EDGE * (care + 0.5 * handler.form_offense - 0.5 * pressure)
        ):
            return self._turnover(handler, guard)
        # A foul on the floor.
        clean = -EDGE * (self._mean(guard, "fouls") + 0.8 * self._mean_form(guard))
        if rng.random() < _odds(0.166, clean):
            fouler = self._fouler(guard)
            fouled = handler
            self._foul(fouler, fouled)
            if self.team_fouls[defense] >= BONUS_FOUL:
                return self._free_throws(fouled, 2)
            self._dead_ball()
            return "again" if self.clock_s > 0 else "end"
        return self._shot(handler, matchup[id(handler)], attack, guard)

    def _moves(self, attack: list[_Player], handler: _Player, used: float, hurried: bool) -> None:
        """Run the clock down to the play, with the passes before it."""
        rng = self.rng
        passes = 0 if hurried else min(3, int(used / 4.5))
        passers = [p for p in attack if p is not handler]
        at = 0.0
        for left in range(passes, 0, -1):
            step = (used - at) / (left + 1) * rng.uniform(0.7, 1.3)
            passer = rng.choice(passers)
            self._run(step)
            at += step
            deflected = rng.random() > _odds(0.93, 1.6 * EDGE * passer["passing_accuracy"])
            self._event("pass", passer, made=not deflected)
        self._run(used - at)

    def _shot(
        self, shooter: _Player, defender: _Player, attack: list[_Player], guard: list[_Player]
    ) -> str:
        rng = self.rng
        big = shooter.person.position == "big"
        three = rng.random() < _odds(
            0.23 if big else 0.43, 0.25 * (shooter["three_point"] - shooter["two_point"])
        )
        close = not three and rng.random() < (0.72 if big else 0.58)
        grip = (
            defender["points_allowed"]
            + 0.4 * self._mean(guard, "points_allowed")
            + 0.6 * defender.form_defense
        )
        contested = rng.random() < _odds(0.44 if three else 0.55, EDGE * grip)
        touch = (
            0.55 * shooter["overall_shooting"]
            + 0.2 * shooter["efficiency"]
            + 0.5 * shooter.form_offense
        )
        touch += 0.9 * (shooter["three_point"] if three else shooter["two_point"])
        base = 0.359 if three else (0.625 if close else 0.42)
        if contested:
            touch += 0.9 * shooter["contested_shots"]
            base -= 0.09 if three else 0.135
        team = 0.35 * (self._mean(attack, "impact") - self._mean(guard, "impact"))
        chance = _odds(base, EDGE * (touch - 0.8 * grip + team))
        x, y = _spot(three, close, rng)
        value = 3 if three else 2
        fouled = rng.random() < _odds(
            0.02 if three else 0.165, -EDGE * (defender["fouls"] + 0.8 * defender.form_defense)
        )
        if fouled:
            chance *= 0.52
        made = rng.random() < chance
        if fouled and not made:
            fouler = self._fouler(guard, defender)
            self._foul(fouler, shooter)
            return self._free_throws(shooter, value)
        shot_play = self._new_play()
        self._event(
            "field_goal",
            shooter,
            made=made,
            value=value,
            x_m=x,
            y_m=y,
            contested=contested,
            play=shot_play,
        )
        which = "field_goals_3" if three else "field_goals_2"
        shooter.box[f"{which}_tried"] += 1
        if made:
            shooter.box[f"{which}_made"] += 1
            self._points(shooter, value)
            flow = self._mean(attack, "teamwork") * 1.3 + 0.6 * (self._mean(attack, "assists"))
            helped = 0.76 if three else 0.50
            if rng.random() < _odds(helped, EDGE * flow):
                mates = [p for p in attack if p is not shooter]
                helper = self._pick(
                    mates, lambda p: math.exp(0.55 * p["assists"] + 0.15 * p.form_offense)
                )
                self._event("assist", helper, play=shot_play)
                helper.box["assists"] += 1
            if fouled:
                self._foul(self._fouler(guard, defender), shooter)
                return self._free_throws(shooter, 1)
            self._run(min(rng.uniform(0.5, 2.0), self.clock_s))
            return "change"
        blocked = contested and not three and rng.random() < 0.216
        if blocked:
            blocker = (
                defender
                if rng.random() < 0.6
                else self._pick(guard, lambda p: p.person.height_cm / 10)
            )
            self._event("block", blocker, play=shot_play)
            self._event("blocked", shooter, play=shot_play)
            blocker.box["blocks"] += 1
        self._run(min(rng.uniform(0.8, 2.4), self.clock_s))
        return self._rebound(attack, guard)

    def _rebound(self, attack: list[_Player], guard: list[_Player]) -> str:
        rng = self.rng
        if self.clock_s <= 0:
            return "end"

        def offensive(p: _Player) -> float:
            return math.exp(
                0.5 * p["offensive_rebounds"] + 0.25 * p["rebounds"] + 0.2 * p.form_offense
            )

        def defensive(p: _Player) -> float:
            return math.exp(
                0.4 * p["defensive_rebounds"] + 0.25 * p["rebounds"] + 0.35 * p.form_defense
            )

        ours, theirs = sum(map(offensive, attack)), sum(map(defensive, guard))
        if rng.random() < _odds(0.305, 0.6 * math.log(ours / theirs)):
            if rng.random() < 0.14:
                self._note("offensive_rebound", team=attack[0].team)
            else:
                taker = self._pick(attack, offensive)
                self._event("offensive_rebound", taker)
                taker.box["offensive_rebounds"] += 1
            return "again"
        if rng.random() < 0.07:
            self._note("defensive_rebound", team=guard[0].team)
        else:
            taker = self._pick(guard, defensive)
            self._event("defensive_rebound", taker)
            taker.box["defensive_rebounds"] += 1
        return "change"

    def _turnover(self, loser: _Player, guard: list[_Player]) -> str:
        rng = self.rng
        play = self._new_play()
        hands = self._mean(guard, "steals") + 0.8 * self._mean_form(guard)
        stolen = rng.random() < _odds(0.49, EDGE * hands)
        if not stolen and rng.random() < 0.22:  # an offensive foul
            victim = rng.choice(guard)
            self._event("foul", loser, play=play)
            self._event("foul_drawn", victim, play=play)
            loser.box["fouls_made"] += 1
            victim.box["fouls_drawn"] += 1
            loser.foul_count += 1
        self._event("turnover", loser, play=play)
        loser.box["turnovers"] += 1
        if stolen:
            thief = self._pick(
                guard, lambda p: math.exp(0.55 * p["steals"] + 0.25 * p.form_defense)
            )
            self._event("steal", thief, play=play)
            thief.box["steals"] += 1
        else:
            self._dead_ball()
        return "change"

    def _foul(self, fouler: _Player, fouled: _Player) -> None:
        play = self._new_play()
        self._event("foul", fouler, play=play)
        self._event("foul_drawn", fouled, play=play)
        fouler.box["fouls_made"] += 1
        fouled.box["fouls_drawn"] += 1
        fouler.foul_count += 1
        self.team_fouls[fouler.team] += 1

    def _free_throws(self, shooter: _Player, count: int) -> str:
        rng = self.rng
        made = False
        for number in range(count):
            if number == count - 1:
                self._dead_ball(keep=shooter)
            made = rng.random() < _odds(
                0.775, 1.4 * EDGE * shooter["free_throw"] + 0.1 * shooter.form_offense
            )
            self._new_play()
            self._event("free_throw", shooter, made=made, value=1)
            shooter.box["free_throws_tried"] += 1
            self.wall += dt.timedelta(seconds=12)
            if made:
                shooter.box["free_throws_made"] += 1
                self._points(shooter, 1)
        if made:
            return "change" if self.clock_s > 0 else "end"
        self._run(min(rng.uniform(0.6, 1.8), self.clock_s))
        outcome = self._rebound(self.court[shooter.team], self.court[self._other(shooter.team)])
        return outcome if self.clock_s > 0 else "end"

    # -- people ------------------------------------------------------------------------------

    def _dead_ball(self, keep: _Player | None = None) -> None:
        """The clock stands: substitutions, now and then a time-out."""
        rng = self.rng
        self.wall += dt.timedelta(seconds=20)
        length = self.settings.period_s / 600
        if rng.random() < 0.045 * min(1.0, length * 4):
            team = rng.choice(self.codes)
            if self.timeouts[team]:
                self.timeouts[team] -= 1
                self._note("timeout", team=team)
                self.wall += dt.timedelta(seconds=60)
        self._substitute(keep=keep)

    def _substitute(self, *, force: bool = False, keep: _Player | None = None) -> None:
        """Bring in whoever has played too little for his share, and replace who is fouled out."""
        s = self.settings
        # On a full-length game a change is worth it from about two minutes owed.
        threshold = 0.13 * s.period_s * (0.5 if force else 1.0)
        for code in self.codes:
            five = self.court[code]
            for position in range(FIVE):
                player = five[position]
                out = player.foul_count >= FOUL_LIMIT
                if player is keep and not out:
                    continue
                bench = [
                    p for p in self.rosters[code] if p not in five and p.foul_count < FOUL_LIMIT
                ]
                if not bench:
                    continue
                best = max(
                    bench,
                    key=lambda p: (
                        self._owed(p)
                        + 0.15 * threshold * (p.person.position == player.person.position),
                        p.person.player_id,
                    ),
                )
                if out or self._owed(best) - self._owed(player) > 2 * threshold:
                    self._new_play()
                    self._event("sub_out", player)
                    self._event("sub_in", best)
                    five[position] = best

    def _owed(self, player: _Player) -> float:
        return player.share * FIVE * self.elapsed_s - player.played_s

    def _fouler(self, guard: list[_Player], nearest: _Player | None = None) -> _Player:
        """Who fouls; never one whom nobody could replace after his fifth."""

        def weight(p: _Player) -> float:
            spare = any(q not in guard and q.foul_count < FOUL_LIMIT for q in self.rosters[p.team])
            if p.foul_count >= FOUL_LIMIT or (p.foul_count == FOUL_LIMIT - 1 and not spare):
                return 1e-9
            near = 2.5 if p is nearest else 1.0
            return near * math.exp(-0.5 * p["fouls"] - 0.2 * p.form_defense)

        return self._pick(guard, weight)

    def _usage(self, p: _Player) -> float:
        return math.exp(0.3 * p["contribution"] + 0.1 * p["efficiency"] + 0.1 * p.form_offense)

    def _matchups(self, attack: list[_Player], guard: list[_Player]) -> dict[int, _Player]:
        """Man to man, by position and height."""

        def by_size(p: _Player) -> tuple[float, str]:
            return (p.person.height_cm, p.person.player_id)

        pairs = zip(sorted(attack, key=by_size), sorted(guard, key=by_size), strict=True)
        return {id(a): d for a, d in pairs}

    def _pick(self, players: Sequence[_Player], weight: Any) -> _Player:
        return self.rng.choices(players, [weight(p) for p in players])[0]

    @staticmethod
    def _mean(players: Sequence[_Player], skill: str) -> float:
        return sum(p.skills[skill] for p in players) / len(players)

    @staticmethod
    def _mean_form(players: Sequence[_Player]) -> float:
        return sum(p.form_defense for p in players) / len(players)

    def _other(self, code: str) -> str:
        return self.codes[1] if code == self.codes[0] else self.codes[0]

    # -- the scorer's table ------------------------------------------------------------------

    def _run(self, seconds: float) -> None:
        """Let the clock run."""
        seconds = max(0.0, min(seconds, self.clock_s))
        self.clock_s -= seconds
        if self.clock_s < 0.05:
            self.clock_s = 0.0
        self.elapsed_s += seconds
        self.wall += dt.timedelta(seconds=seconds)
        for five in self.court.values():
            for player in five:
                player.played_s += seconds

    def _points(self, scorer: _Player, points: int) -> None:
        scorer.box["points"] += points
        self.score[scorer.team] += points
        for code, five in self.court.items():
            for player in five:
                player.plus_minus += points if code == scorer.team else -points

    def _new_play(self) -> int:
        self.play_id += 1
        return self.play_id

    def _event(
        self,
        kind: str,
        player: _Player,
        *,
        made: bool | None = None,
        value: int | None = None,
        x_m: float | None = None,
        y_m: float | None = None,
        contested: bool | None = None,
        play: int | None = None,
    ) -> None:
        if play is None and kind not in ("free_throw", "sub_out", "sub_in"):
            self._new_play()
        self._append(kind, player.team, player.person.player_id, made, value, x_m, y_m, contested)

    def _note(self, kind: str, team: str | None = None) -> None:
        self._new_play()
        self._append(kind, team, None, None, None, None, None, None)

    def _append(
        self, kind: str, team: str | None, player: str | None, made: bool | None, value: int | None,
        x_m: float | None, y_m: float | None, contested: bool | None,
    ) -> None:  # fmt: skip
        order = len(self.events)
        self.events.append(
            (
                self.game_id, str(order), self.play_id, order, self.period, round(self.clock_s, 1),
                team, player, kind, made, value, x_m, y_m, contested, self.wall,
            )
        )  # fmt: skip

    def _appearances(self) -> list[tuple[Any, ...]]:
        return [
            (self.game_id, p.team, p.person.player_id, p.person.number, id(p) in self.starters)
            for players in self.rosters.values()
            for p in players
        ]

    def _box_scores(self) -> list[tuple[Any, ...]]:
        return [
            (
                self.game_id,
                p.team,
                p.person.player_id,
                round(p.played_s, 1),
                p.plus_minus,
                *(p.box[stat] for stat in tables.BOX_STATS),
            )
            for players in self.rosters.values()
            for p in players
        ]


def _odds(base: float, shift: float) -> float:
    """A probability moved by ``shift`` in log-odds."""
    odds = base / (1 - base) * math.exp(shift)
    return odds / (1 + odds)


def _minute_shares(count: int) -> list[float]:
    """Share of the team's minutes by rank in the rotation; they add up to one."""
    weights = [math.exp(-((rank / 8.0) ** 3)) for rank in range(count)]
    total = sum(weights)
    return [w / total for w in weights]


def _balanced_five(players: list[_Player]) -> list[_Player]:
    """The best five with at least one guard, wing and big."""
    five = [
        next(p for p in players if p.person.position == q)
        for q in POSITIONS
        if any(p.person.position == q for p in players)
    ]
    five += [p for p in players if p not in five][: FIVE - len(five)]
    return five


def _spot(three: bool, close: bool, rng: random.Random) -> tuple[float, float]:
    """Where a shot is taken; its distance agrees with its value (arc 6.75 m, corners 6.6 m)."""
    if three and rng.random() < 0.24:
        x, y = rng.choice((-1, 1)) * rng.uniform(6.7, 7.0), rng.uniform(-1.0, 1.2)
    else:
        if three:
            radius, angle = rng.uniform(6.9, 8.1), rng.uniform(-1.2, 1.2)
        elif close:
            radius, angle = min(2.4, 0.3 + abs(rng.gauss(0, 0.9))), rng.uniform(-1.6, 1.6)
        else:
            radius, angle = rng.uniform(2.5, 6.3), rng.uniform(-1.45, 1.45)
        x, y = radius * math.sin(angle), radius * math.cos(angle)
    return round(x, 2), round(y, 2)

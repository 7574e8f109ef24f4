"""Play invented leagues, possession by possession, into the standard tables.

Each player has 20 latent skills; each moves the statistic of its name (the tests show it, one by
one). :mod:`openbasket.simulation.game` plays a game; here are the leagues: who plays where in which
season, the schedule, and what is written. Rates are set so that 40-minute games look like EuroLeague
2022-23 (``benchmarks/simulation_realism.py``).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import polars as pl

from openbasket import tables
from openbasket.errors import ConfigError
from openbasket.progress import track
from openbasket.simulation.game import GameRows, simulate_game
from openbasket.simulation.people import (
    POSITIONS,
    Person,
    drifted,
    new_person,
    stream,
    talents,
    team_names,
)
from openbasket.transcripts.stints import stints
from openbasket.workspace import Workspace, atomic_path

__all__ = [
    "GameRows",
    "LeagueSettings",
    "SimulationReport",
    "demo_leagues",
    "full_leagues",
    "medium_leagues",
    "mini_leagues",
    "simulate",
    "simulate_game",
]

DAYS_BETWEEN_GAMES = 4
LATENT_SKILLS = "latent_skills.parquet"
Rosters = dict[str, list[Person]]


@dataclass(frozen=True)
class LeagueSettings:
    """An invented league.

    Args:
        league: identifier.
        gender: ``men`` or ``women``.
        region: where it plays.
        teams: number of teams, even or odd.
        players_per_team: roster size, from 6; at most 12 of them dress for a game.
        rounds: how often each pair of teams meets in a season.
        seasons: seasons that are played, in order, like ``("21-22", "22-23")``.
        period_s: length of a period in seconds (FIBA: 600).
        periods: periods of regular time.
        overtime_s: length of an overtime.
        turnover: share of a roster that leaves after a season.
        transfers: share of those who stay in the league that change their team.
        guests: share of newcomers who also play in a league of the same gender listed before.
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
    transfers: float = 0.1
    guests: float = 0.0

    def __post_init__(self) -> None:
        rules = {
            "teams": (self.teams, 2, 40),
            "players_per_team": (self.players_per_team, 6, 15),
            "rounds": (self.rounds, 1, 20),
            "period_s": (self.period_s, 20, 1200),
            "periods": (self.periods, 1, 8),
            "overtime_s": (self.overtime_s, 20, 600),
            "turnover": (self.turnover, 0, 1),
            "transfers": (self.transfers, 0, 1),
            "guests": (self.guests, 0, 1),
        }
        faults = [
            f"{name}: got {value}; allowed: {least} to {most}"
            for name, (value, least, most) in rules.items()
            if not least <= value <= most
        ]
        if not re.match(tables.ID_PATTERN, self.league):
            faults.append(
                f"league: got {self.league!r}; allowed: letters, digits, '.', '_' and '-'"
            )
        if self.gender not in tables.GENDERS:
            faults.append(f"gender: got {self.gender!r}; allowed: {', '.join(tables.GENDERS)}")
        if not self.seasons:
            faults.append("seasons: got none; allowed: one or more, like '21-22'")
        faults += [
            f"seasons: got {season!r}; allowed: two years, like '21-22'"
            for season in self.seasons
            if not re.match(tables.SEASON_PATTERN, season)
        ]
        if any(a >= b for a, b in itertools.pairwise(self.seasons)):
            faults.append(f"seasons: got {self.seasons}; allowed: each once, the earliest first")
        if faults:
            raise ConfigError(f"league '{self.league}': " + "; ".join(faults))


def demo_leagues() -> tuple[LeagueSettings, ...]:
    """Two small leagues, one of women, with games of a few minutes; rules are the full ones."""
    men = LeagueSettings(
        "sim-men",
        teams=4,
        players_per_team=6,
        rounds=1,
        period_s=24.0,
        overtime_s=20.0,
        turnover=0.6,
    )
    women = dataclasses.replace(
        men, league="sim-women", gender="women", region="N. America", teams=3
    )
    return men, women


def mini_leagues() -> tuple[LeagueSettings, ...]:
    """Two leagues of a handful of games of two 20-second periods: to try commands in seconds."""
    men, women = (
        dataclasses.replace(league, teams=teams, period_s=20.0, periods=2)
        for league, teams in zip(demo_leagues(), (3, 2), strict=True)
    )
    return men, women


def medium_leagues() -> tuple[LeagueSettings, ...]:
    """Four leagues of few and short games, for models to be compared on: 320 player-seasons."""
    first = LeagueSettings(
        "sim-men", teams=4, players_per_team=10, rounds=1, period_s=40.0, overtime_s=20.0
    )
    return (
        first,
        dataclasses.replace(first, league="sim-women", gender="women", region="N. America"),
        dataclasses.replace(first, league="sim-cup", region="Asia"),
        dataclasses.replace(first, league="sim-open", gender="women", region="Australia"),
    )


def full_leagues() -> tuple[LeagueSettings, ...]:
    """Three leagues that play whole seasons of 40-minute games; two of them share players."""
    return (
        LeagueSettings("sim-men", "men", "Europe"),
        LeagueSettings("sim-women", "women", "N. America"),
        LeagueSettings("sim-cup", "men", "Asia", teams=8, guests=0.2),
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
    Seasons of these leagues that the workspace already holds are replaced; other leagues stay.

    Args:
        workspace: where to write.
        leagues: what to play. A league's games depend on its own settings, the seed and (only for
            its guests) the leagues before it.
        seed: the same seed gives the same tables.
        quiet: show no progress.

    Raises:
        ConfigError: no league, or two of one name.
    """
    names = [league.league for league in leagues]
    doubles = sorted(name for name, times in Counter(names).items() if times > 1)
    if doubles or not leagues:
        raise ConfigError(
            f"leagues: got {', '.join(names) or 'none'}; allowed: one or more, each name once"
        )
    report = SimulationReport(seed)
    truth: list[tuple[str, str, str, str, float]] = []
    everyone: dict[str, Person] = {}
    played: dict[tuple[str, str], Rosters] = {}
    jobs = [(league, season) for league in leagues for season in league.seasons]
    for league, season in track(jobs, "simulating", quiet=quiet):
        before = dict(itertools.pairwise(league.seasons[::-1])).get(season, "")
        abroad = [
            person
            for other in itertools.takewhile(lambda other: other is not league, leagues)  # noqa: B023
            if other.gender == league.gender
            for people in played.get((other.league, season), {}).values()
            for person in people
        ]
        rosters = _rosters(league, season, played.get((league.league, before), {}), abroad, seed)
        played[league.league, season] = rosters
        for person in itertools.chain.from_iterable(rosters.values()):
            everyone.setdefault(person.player_id, person)
            truth += [
                (person.player_id, league.league, season, key, value)
                for key, value in person.skills.items()
            ]
        frames = _season(league, season, rosters, seed)
        for table, frame in frames.items():
            workspace.write(cast(tables.TableName, table), frame, league.league, season)
        report.seasons.append(
            {
                "league": league.league,
                "season": season,
                "games": frames["games"].height,
                "players": sum(map(len, rosters.values())),
                "events": frames["events"].height,
            }
        )
    _write_people(workspace, everyone, truth, names)
    return report


def _write_people(
    workspace: Workspace,
    everyone: dict[str, Person],
    truth: list[tuple[str, str, str, str, float]],
    leagues: list[str],
) -> None:
    """Write ``players`` and the latent skills; rows of other leagues stay."""
    rows = [
        (p.player_id, p.name, p.gender, p.birth_date, p.nationality, p.height_cm, p.position)
        for p in everyone.values()
    ]
    players = pl.DataFrame(rows, tables.dtypes("players"), orient="row")
    if workspace.has("players"):
        ours = pl.any_horizontal(
            pl.col("player_id").str.starts_with(f"{name.lower()}-") for name in leagues
        )
        others = workspace.read("players").filter(~ours)
        players = pl.concat([players, others.join(players, on="player_id", how="anti")])
    workspace.write("players", players.sort("player_id"))
    keys = ["player_id", "league", "season", "skill"]
    schema = dict.fromkeys(keys, pl.String()) | {"value": pl.Float64()}
    latent = pl.DataFrame(truth, schema, orient="row")
    place = workspace.private / LATENT_SKILLS
    if place.exists():
        latent = pl.concat(
            [latent, pl.read_parquet(place, glob=False).filter(~pl.col("league").is_in(leagues))]
        )
    with atomic_path(place) as path:
        latent.sort(keys).write_parquet(path)


def _rosters(
    league: LeagueSettings, season: str, before: Rosters, abroad: list[Person], seed: int
) -> Rosters:
    """This season's teams: who stays is a year older, some change the team, newcomers fill up."""
    year = 2000 + int(season[:2])
    codes = [code for code, _ in team_names(league.teams, league.league, seed)]
    streams = {code: stream("roster", seed, league.league, season, code) for code in codes}
    teams: Rosters = {
        code: [
            drifted(person, year, seed)
            for person in before.get(code, [])
            if streams[code].random() >= league.turnover
        ]
        for code in codes
    }
    _transfer(teams, league.transfers, seed, league.league, season)
    inside = {p.player_id for people in teams.values() for p in people}
    pool = [p for p in sorted(abroad, key=lambda p: p.player_id) if p.player_id not in inside]
    for code, people in teams.items():
        rng = streams[code]
        missing = league.players_per_team - len(people)
        newcomers = talents(missing, people, league.players_per_team)
        rng.shuffle(newcomers)
        for slot, talent in enumerate(newcomers, 1):
            if pool and rng.random() < league.guests:
                guest = pool.pop(rng.randrange(len(pool)))
                people.append(dataclasses.replace(guest, number="0"))
                continue
            have = [sum(p.position == q for p in people) for q in POSITIONS]
            position = POSITIONS[have.index(min(have))]
            player_id = f"{league.league}-{code}-{season.replace('-', '')}-{slot:02d}".lower()
            people.append(new_person(player_id, league.gender, position, year, seed, talent))
        taken: set[str] = {"0"}
        for person in people:
            if person.number in taken:
                person.number = rng.choice([str(n) for n in range(1, 56) if str(n) not in taken])
            taken.add(person.number)
    return teams


def _transfer(teams: Rosters, share: float, *key: object) -> None:
    """Let some players change their teams, in a ring, so that no roster grows."""
    rng = stream("transfers", *key)
    movers = [
        (code, place)
        for code, people in teams.items()
        for place in range(len(people))
        if rng.random() < share
    ]
    rng.shuffle(movers)
    people_moved = [teams[code][place] for code, place in movers]
    for (code, place), person in zip(movers, people_moved[1:] + people_moved[:1], strict=True):
        teams[code][place] = person


def _schedule(codes: list[str], rounds: int) -> list[tuple[int, str, str]]:
    """Matchday, home and away team of every game: each pair meets once a round (circle method)."""
    ring: list[str | None] = [*codes, *([None] if len(codes) % 2 else [])]
    size = len(ring)
    games = []
    for day in range(rounds * (size - 1)):
        turn, step = divmod(day, size - 1)
        order = [ring[0], *(ring[1 + (i + step) % (size - 1)] for i in range(size - 1))]
        for place in range(size // 2):
            one, two = order[place], order[-1 - place]
            if one is not None and two is not None:
                # Home and away change from round to round, and with the place in the ring.
                swap = (turn + (step if place == 0 else place)) % 2
                games.append((day, two, one) if swap else (day, one, two))
    return games


def _season(
    league: LeagueSettings, season: str, teams: Rosters, seed: int
) -> dict[str, pl.DataFrame]:
    """Play a season's schedule; each game has a random stream of its own."""
    names = dict(team_names(league.teams, league.league, seed))
    start = dt.date(2000 + int(season[:2]), 10, 1)
    parts: dict[str, list[tuple[Any, ...]]] = {
        table: [] for table in ("games", "appearances", "box_scores", "events")
    }
    for number, (day, home, away) in enumerate(_schedule(sorted(teams), league.rounds), 1):
        game_id = f"{league.league}-{season.replace('-', '')}-{number:03d}"
        date = start + dt.timedelta(days=DAYS_BETWEEN_GAMES * day)
        rng = stream("game", seed, game_id)
        rows = simulate_game(game_id, home, teams[home], away, teams[away], league, rng, date)
        what = (game_id, league.league, season, date, league.gender, league.region)
        sides = (home, away, names[home], names[away], rows.score[home], rows.score[away])
        lengths = (league.periods, league.period_s, league.overtime_s)
        parts["games"].append((*what, *sides, *lengths, None, "simulation"))
        parts["appearances"] += rows.appearances
        parts["box_scores"] += rows.box_scores
        parts["events"] += rows.events
    frames = {
        table: pl.DataFrame(rows, tables.dtypes(cast(tables.TableName, table)), orient="row")
        for table, rows in parts.items()
    }
    frames["stints"] = stints(frames["games"], frames["appearances"], frames["events"])
    return frames

"""Play one game, possession by possession, and keep its transcript and its scoresheet.

The rules are FIBA's: periods and overtime, a shot clock of 24 s (14 after an offensive rebound or a
foul), alternating possession, five personal fouls, two free throws from the fifth team foul of a
period on, twelve players dressed, time-outs by half. The box score is counted while the game is
played, not from the events.

How skills and chances meet: each :class:`Rates` value is the chance between average players, and
each latent skill shifts its log-odds by the :class:`Weights` value for one standard deviation.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from openbasket import tables
from openbasket.simulation.people import POSITIONS, Person
from openbasket.wording import counted

__all__ = ["RATES", "WEIGHTS", "GameRows", "GameRules", "Rates", "Weights", "simulate_game"]

FIVE = 5
DRESSED = 12
FOUL_LIMIT = 5
BONUS_FOUL = 5
SHOT_CLOCK_S, SECOND_CHANCE_CLOCK_S = 24.0, 14.0
#: The clock stands after a basket from here on in the last period and in overtime.
LATE_S = 120.0
#: Time-outs of a team in the first half, the second half, each overtime.
TIMEOUTS = (2, 3, 1)


class GameRules(Protocol):
    """What a game must know of its league."""

    @property
    def period_s(self) -> float:
        """Length of a period in seconds."""

    @property
    def periods(self) -> int:
        """Periods of regular time."""

    @property
    def overtime_s(self) -> float:
        """Length of an overtime in seconds."""


@dataclass(frozen=True)
class Rates:
    """Chances between average players; set so that games look like EuroLeague 2022-23.

    Args:
        lost_ball: a possession's last holder loses the ball before he shoots.
        pass_fails: a pass does not arrive.
        fail_lost: ... and the other team has it.
        stolen: a lost ball was stolen (a bad pass, a handler's).
        offensive_foul: a ball lost otherwise was lost by an offensive foul.
        violation: no shot comes although the shot clock runs out (else a hurried shot).
        floor_foul: a foul before the shot.
        three: a shot is a three (bigs, others).
        close: a two is from near the basket (bigs, others).
        contested: a defender contests (threes, twos).
        goes_in: a shot nobody contests (threes, near the basket, from mid-range).
        contest_costs: what a contest takes from that chance (threes, twos).
        hurried_costs: what the end of a clock takes from it.
        shot_foul: a shooting foul (threes, twos).
        foul_costs: the factor by which a foul lowers the chance of the basket.
        blocked: a contested two that misses was blocked.
        assisted: a basket after a pass was assisted (threes, twos).
        free_throw: a free throw goes in.
        offensive_rebound: the attackers get the rebound.
        team_rebound: a rebound goes to nobody's hands (attackers, defenders).
        timeout: a coach takes a time-out when the ball is dead.
        lead: how much a lead of one point lowers the leader's log-odds to score; a lead makes
            careless (Gabel and Redner 2012, "Random walk picture of basketball scoring").
    """

    lost_ball: float = 0.081
    pass_fails: float = 0.047
    fail_lost: float = 0.55
    stolen: tuple[float, float] = (0.63, 0.43)
    offensive_foul: float = 0.28
    violation: float = 0.25
    floor_foul: float = 0.183
    three: tuple[float, float] = (0.23, 0.43)
    close: tuple[float, float] = (0.72, 0.58)
    contested: tuple[float, float] = (0.44, 0.55)
    goes_in: tuple[float, float, float] = (0.355, 0.659, 0.459)
    contest_costs: tuple[float, float] = (0.09, 0.14)
    hurried_costs: float = 0.06
    shot_foul: tuple[float, float] = (0.02, 0.138)
    foul_costs: float = 0.52
    blocked: float = 0.235
    assisted: tuple[float, float] = (0.76, 0.49)
    free_throw: float = 0.768
    offensive_rebound: float = 0.268
    team_rebound: tuple[float, float] = (0.155, 0.074)
    timeout: float = 0.151
    lead: float = 0.016


@dataclass(frozen=True)
class Weights:
    """How far one standard deviation of a latent skill moves the log-odds of what it stands for.

    ``pick_`` values are log-weights in the choice of who does something. ``form_`` values apply to
    the form of the day, which the two consistency skills rule.
    """

    free_throw: float = 0.63
    two_point: float = 0.16
    three_point: float = 0.27
    contested_shots: float = 0.18
    overall_shooting: float = 0.12
    efficiency_shot: float = 0.10
    efficiency_care: float = 0.10
    guarding: float = 0.14
    guarding_team: float = 0.13
    impact_team: float = 0.24
    turnovers: float = 0.15
    passing: float = 0.45
    steals_team: float = 0.25
    fouls_team: float = 0.35
    teamwork_team: float = 1.15
    assists_team: float = 0.20
    three_choice: float = 0.10
    rebound_contest: float = 0.75
    pick_usage: float = 0.30
    pick_usage_efficiency: float = 0.08
    pick_assists: float = 0.82
    pick_steals: float = 0.28
    pick_fouls: float = 0.29
    pick_offensive_rebounds: float = 0.55
    pick_defensive_rebounds: float = 0.25
    pick_rebounds: float = 0.20
    form_mean: float = 0.40
    form_spread: float = 0.45
    form_spread_consistency: float = 0.30
    form_shot: float = 0.13
    form_act: float = 0.18
    form_defense: float = 0.22


RATES = Rates()
WEIGHTS = Weights()
#: Minutes in a 40-minute game of a team's most used player, the next, and so on.
MINUTES = (30.0, 27.6, 25.6, 23.6, 21.4, 19.2, 16.6, 13.8, 10.6, 7.2, 4.2, 2.8)
#: How often each of them does not play at all.
SITS = (0.0,) * 9 + (0.13, 0.38, 0.77)


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
    settings: GameRules,
    rng: random.Random,
    date: dt.date = dt.date(2022, 10, 1),
    weights: Weights = WEIGHTS,
    rates: Rates = RATES,
) -> GameRows:
    """Play one game; the same arguments (and state of ``rng``) give the same game.

    Raises:
        ValueError: a team has fewer than five players.
    """
    for team, players in ((home, home_players), (away, away_players)):
        if len(players) < FIVE:
            raise ValueError(
                f"team {team} has {counted(len(players), 'player')}; a game needs at least {FIVE}"
            )
    teams = {home: list(home_players), away: list(away_players)}
    return _Game(game_id, teams, settings, rng, date, weights, rates).play()


class _Player:
    """A person on the day of a game: box score line, form, and the weights that follow from both."""

    __slots__ = (
        "assist_weight",
        "box",
        "care",
        "defense_form",
        "defensive_weight",
        "foul_weight",
        "fouls",
        "height",
        "is_big",
        "offense_form",
        "offensive_weight",
        "person",
        "played_s",
        "plus_minus",
        "share",
        "skills",
        "steal_weight",
        "team",
        "usage",
    )

    def __init__(
        self, person: Person, team: str, share: float, rng: random.Random, w: Weights
    ) -> None:
        self.person, self.team, self.share = person, team, share
        s = self.skills = person.skills
        self.height = (person.height_cm, person.player_id)
        self.is_big = person.position == "big"
        self.played_s, self.plus_minus, self.fouls = 0.0, 0, 0
        self.box: dict[str, int] = dict.fromkeys(tables.BOX_STATS, 0)
        offense = self.offense_form = _form(s["offensive_consistency"], rng, w)
        defense = self.defense_form = _form(s["defensive_consistency"], rng, w)
        act = w.form_act
        self.usage = math.exp(
            w.pick_usage * s["contribution"]
            + w.pick_usage_efficiency * s["efficiency"]
            + act * offense
        )
        self.care = (
            w.turnovers * s["turnovers"] + w.efficiency_care * s["efficiency"] + act * offense
        )
        self.assist_weight = math.exp(w.pick_assists * s["assists"] + act * offense)
        self.steal_weight = math.exp(w.pick_steals * s["steals"] + act * defense)
        self.foul_weight = math.exp(-w.pick_fouls * s["fouls"] - act * defense)
        boards = w.pick_rebounds * s["rebounds"]
        self.offensive_weight = math.exp(
            w.pick_offensive_rebounds * s["offensive_rebounds"] + boards + act * offense
        )
        self.defensive_weight = math.exp(
            w.pick_defensive_rebounds * s["defensive_rebounds"] + boards + act * defense
        )


def _form(consistency: float, rng: random.Random, w: Weights) -> float:
    """Form of the day: a consistent player strays less from his level, and the level is higher."""
    spread = w.form_spread * math.exp(-w.form_spread_consistency * consistency)
    return w.form_mean * consistency + spread * rng.gauss(0, 1)


class _Game:
    """The running state of a game."""

    def __init__(
        self,
        game_id: str,
        teams: dict[str, list[Person]],
        settings: GameRules,
        rng: random.Random,
        date: dt.date,
        weights: Weights,
        rates: Rates,
    ) -> None:
        self.game_id, self.settings, self.rng = game_id, settings, rng
        self.w, self.rates = weights, rates
        self.codes = list(teams)
        self.rosters: dict[str, list[_Player]] = {}
        self.court: dict[str, list[_Player]] = {}
        for code, people in teams.items():
            order = _dressed(people, rng)
            shares = _minute_shares(len(order), rng)
            players = [
                _Player(p, code, s, rng, weights) for p, s in zip(order, shares, strict=True)
            ]
            self.rosters[code] = players
            self.court[code] = _balanced_five(players)
        self.starters = {id(p) for five in self.court.values() for p in five}
        self.score = dict.fromkeys(self.codes, 0)
        self.team_fouls = dict.fromkeys(self.codes, 0)
        self.timeouts = dict.fromkeys(self.codes, TIMEOUTS[0])
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
            if period <= s.periods:  # overtime goes on with the last period's fouls
                self.team_fouls = dict.fromkeys(self.codes, 0)
            if period > s.periods:
                self.timeouts = dict.fromkeys(self.codes, TIMEOUTS[2])
            elif period == s.periods // 2 + 1:
                self.timeouts = dict.fromkeys(self.codes, TIMEOUTS[1])
            self._note("period_start")
            if period == 1:
                offense = self.codes[self.rng.random() < 0.5]
                self._note("jump_ball", team=offense)
                self.arrow = self._other(offense)
            else:
                self._substitute(force=True)
                offense, self.arrow = self.arrow, self._other(self.arrow)
            while self.clock_s > 0:
                offense = self._possession(offense)
            self._note("period_end")
            half = period == s.periods // 2
            self._pause((15 if half else 2) * 60 * min(1.0, s.period_s / 600))
            period += 1
        return GameRows(self._appearances(), self._box_scores(), self.events, self.score)

    def _possession(self, offense: str) -> str:
        """Play until the ball changes hands or the period ends; return who has it next."""
        shot_clock = SHOT_CLOCK_S
        while True:
            outcome = self._attempt(offense, shot_clock)
            if outcome == "end" or self.clock_s <= 0:
                return offense
            if outcome == "change":
                return self._other(offense)
            shot_clock = SECOND_CHANCE_CLOCK_S

    def _attempt(self, offense: str, shot_clock: float) -> str:
        """One attempt: ``change`` (ball to the other team), ``again`` (it stays) or ``end``."""
        rng, rates, w = self.rng, self.rates, self.w
        defense = self._other(offense)
        attack, guard = self.court[offense], self.court[defense]
        behind = self.score[defense] - self.score[offense]
        closing = self._closing()
        if closing and 0 < -behind <= 8 and rng.random() < 0.6:
            # The defence is behind and stops the clock.
            self._run(rng.uniform(0.5, 3.0))
            return self._floor_foul(self._pick_usage(attack), guard)
        first = shot_clock == SHOT_CLOCK_S
        used = rng.gammavariate(5.5, 2.72) if first else rng.gammavariate(2.5, 2.3)
        if closing and behind > 0:
            used *= 0.5
        late = used >= shot_clock
        used = min(max(used, 2.5 if first else 1.0), shot_clock)
        hurried = late
        if used >= self.clock_s - 0.3:
            if self.clock_s < 2.0 or rng.random() < 0.25:
                self._run(self.clock_s)
                return "end"
            used = self.clock_s - rng.uniform(0.3, min(1.5, self.clock_s / 2))
            late, hurried = False, True
        handler = self._pick_usage(attack)
        helper = self._bring(attack, guard, handler, used)
        if isinstance(helper, str):
            return helper
        if late and rng.random() < rates.violation:
            self._note("turnover", team=offense)
            self._dead_ball()
            return "change"
        # The ball is lost before a shot comes.
        pressure = self._pressure(guard)
        if rng.random() < _odds(rates.lost_ball, pressure - handler.care):
            return self._turnover(handler, guard, rates.stolen[1])
        clean = w.fouls_team * _mean(guard, "fouls") + w.form_defense * _mean_form(guard)
        if rng.random() < _odds(rates.floor_foul, -clean):
            return self._floor_foul(handler, guard)
        return self._shot(handler, helper, attack, guard, hurried)

    def _pressure(self, guard: list[_Player]) -> float:
        """What a defence's hands, and its day, add to the log-odds of losing the ball."""
        return self.w.steals_team * _mean(guard, "steals") + self.w.form_defense * _mean_form(guard)

    def _closing(self) -> bool:
        """The end of a game, when the team behind fouls and hurries."""
        return self.period >= self.settings.periods and self.clock_s <= min(
            35.0, 0.06 * self.settings.period_s
        )

    def _bring(
        self, attack: list[_Player], guard: list[_Player], handler: _Player, used: float
    ) -> _Player | str | None:
        """Run the clock down to the play, with its passes.

        Returns:
            Who passed to ``handler``, ``None`` without a pass, or what follows a lost pass.
        """
        rng, rates = self.rng, self.rates
        count = min(3, int(used / 4.0))
        chain = [handler]
        for back in range(count):
            others = [p for p in attack if p is not chain[-1]]
            likely = [p.assist_weight if back == 0 else p.usage for p in others]
            chain.append(rng.choices(others, likely)[0])
        at = 0.0
        for left in range(count, 0, -1):
            step = round((used - at) / (left + 1) * rng.uniform(0.7, 1.3), 1)
            at += step
            self._run(step)
            passer = chain[left]
            fails = rng.random() < _odds(
                rates.pass_fails, -self.w.passing * passer.skills["passing_accuracy"]
            )
            self._event("pass", passer, made=not fails)
            if fails and rng.random() < _odds(rates.fail_lost, self._pressure(guard) - passer.care):
                return self._turnover(passer, guard, rates.stolen[0], handled=False)
        self._run(used - at)
        return chain[1] if count else None

    def _shot(
        self,
        shooter: _Player,
        helper: _Player | None,
        attack: list[_Player],
        guard: list[_Player],
        hurried: bool,
    ) -> str:
        rng, rates, w = self.rng, self.rates, self.w
        s = shooter.skills
        defender = _matchup(shooter, attack, guard)
        kind = 0 if shooter.is_big else 1
        wants_three = w.three_choice * (s["three_point"] - s["two_point"])
        lead = self.score[shooter.team] - self.score[defender.team]
        if self._closing() and lead == -3:
            wants_three += 3.0
        three = rng.random() < _odds(rates.three[kind], wants_three)
        close = not three and rng.random() < rates.close[kind]
        grip = w.guarding * defender.skills["points_allowed"]
        grip += w.guarding_team * _mean(guard, "points_allowed")
        grip += w.form_shot * defender.defense_form
        contested = rng.random() < _odds(rates.contested[0 if three else 1], grip)
        touch = w.overall_shooting * s["overall_shooting"] + w.efficiency_shot * s["efficiency"]
        touch += w.form_shot * shooter.offense_form
        touch += w.three_point * s["three_point"] if three else w.two_point * s["two_point"]
        chance = rates.goes_in[0 if three else 1 if close else 2]
        if contested:
            touch += w.contested_shots * s["contested_shots"]
            chance -= rates.contest_costs[0 if three else 1]
        if hurried:
            chance -= rates.hurried_costs
        team = w.impact_team * (_mean(attack, "impact") - _mean(guard, "impact"))
        chance = _odds(chance, touch - grip + team - rates.lead * lead)
        clean = w.pick_fouls * defender.skills["fouls"] + w.form_defense * defender.defense_form
        fouled = rng.random() < _odds(rates.shot_foul[0 if three else 1], -clean)
        if fouled:
            chance *= rates.foul_costs
        made = rng.random() < chance
        value = 3 if three else 2
        if fouled and not made:
            self._foul(self._fouler(guard, defender), shooter)
            return self._free_throws(shooter, value)
        x_m, y_m = _spot(three, close, rng)
        self._event(
            "field_goal",
            shooter,
            made=made,
            value=value,
            x_m=x_m,
            y_m=y_m,
            contested=contested,
        )
        which = "field_goals_3" if three else "field_goals_2"
        shooter.box[f"{which}_tried"] += 1
        if made:
            shooter.box[f"{which}_made"] += 1
            self._points(shooter, value)
            if helper is not None:
                flow = w.teamwork_team * _mean(attack, "teamwork")
                flow += w.assists_team * _mean(attack, "assists")
                if rng.random() < _odds(rates.assisted[0 if three else 1], flow):
                    self._event("assist", helper, same_play=True)
                    helper.box["assists"] += 1
            if fouled:
                self._foul(self._fouler(guard, defender), shooter)
                return self._free_throws(shooter, 1)
            if not (self.period >= self.settings.periods and self.clock_s <= LATE_S):
                self._run(rng.uniform(0.5, 2.0))
            return "change"
        if contested and not three and rng.random() < rates.blocked:
            tall = [math.exp((p.height[0] - 200) / 12) for p in guard]
            blocker = defender if rng.random() < 0.5 else rng.choices(guard, tall)[0]
            self._event("block", blocker, same_play=True)
            self._event("blocked", shooter, same_play=True)
            blocker.box["blocks"] += 1
        self._run(rng.uniform(0.8, 2.4))
        return self._rebound(attack, guard)

    def _rebound(self, attack: list[_Player], guard: list[_Player]) -> str:
        rng, rates = self.rng, self.rates
        if self.clock_s <= 0:
            return "end"
        ours = [p.offensive_weight for p in attack]
        theirs = [p.defensive_weight for p in guard]
        shift = self.w.rebound_contest * math.log(sum(ours) / sum(theirs))
        if rng.random() < _odds(rates.offensive_rebound, shift):
            if rng.random() < rates.team_rebound[0]:
                self._note("offensive_rebound", team=attack[0].team)
                self._dead_ball()
            else:
                taker = rng.choices(attack, ours)[0]
                self._event("offensive_rebound", taker)
                taker.box["offensive_rebounds"] += 1
            return "again"
        if rng.random() < rates.team_rebound[1]:
            self._note("defensive_rebound", team=guard[0].team)
            self._dead_ball()
        else:
            taker = rng.choices(guard, theirs)[0]
            self._event("defensive_rebound", taker)
            taker.box["defensive_rebounds"] += 1
        return "change"

    def _turnover(
        self, loser: _Player, guard: list[_Player], stolen: float, *, handled: bool = True
    ) -> str:
        """A player loses the ball: to a thief, by an offensive foul, or out of bounds."""
        rng = self.rng
        is_stolen = rng.random() < _odds(stolen, self._pressure(guard))
        self._new_play()
        if (
            handled
            and not is_stolen
            and self._may_foul(loser)
            and rng.random() < self.rates.offensive_foul
        ):
            victim = rng.choice(guard)
            self._event("foul", loser, same_play=True)
            self._event("foul_drawn", victim, same_play=True)
            self._count_foul(loser, victim)
        self._event("turnover", loser, same_play=True)
        loser.box["turnovers"] += 1
        if is_stolen:
            thief = rng.choices(guard, [p.steal_weight for p in guard])[0]
            self._event("steal", thief, same_play=True)
            thief.box["steals"] += 1
        else:
            self._dead_ball()
        return "change"

    # -- fouls and free throws ---------------------------------------------------------------

    def _floor_foul(self, fouled: _Player, guard: list[_Player]) -> str:
        if self.clock_s <= 0:
            return "end"
        self._foul(self._fouler(guard), fouled)
        if self.team_fouls[guard[0].team] >= BONUS_FOUL:
            return self._free_throws(fouled, 2)
        self._dead_ball()
        return "again"

    def _fouler(self, guard: list[_Player], nearest: _Player | None = None) -> _Player:
        """Who fouls: most often the nearest defender."""
        able = [p for p in guard if self._may_foul(p)] or guard
        weights = [p.foul_weight * (2.5 if p is nearest else 1.0) for p in able]
        return self.rng.choices(able, weights)[0]

    def _may_foul(self, player: _Player) -> bool:
        """Whether someone could replace a player whom the next foul sends out."""
        if player.fouls < FOUL_LIMIT - 1:
            return True
        five = self.court[player.team]
        return player.fouls < FOUL_LIMIT and any(
            p not in five and p.fouls < FOUL_LIMIT for p in self.rosters[player.team]
        )

    def _foul(self, fouler: _Player, fouled: _Player) -> None:
        self._event("foul", fouler)
        self._event("foul_drawn", fouled, same_play=True)
        self._count_foul(fouler, fouled)

    def _count_foul(self, fouler: _Player, fouled: _Player) -> None:
        fouler.box["fouls_made"] += 1
        fouled.box["fouls_drawn"] += 1
        fouler.fouls += 1
        self.team_fouls[fouler.team] += 1

    def _free_throws(self, shooter: _Player, count: int) -> str:
        self._dead_ball(keep=shooter)
        made = False
        for _ in range(count):
            self._pause(15)
            made = self.rng.random() < _odds(
                self.rates.free_throw,
                self.w.free_throw * shooter.skills["free_throw"]
                + self.w.form_shot * shooter.offense_form,
            )
            self._event("free_throw", shooter, made=made, value=1)
            shooter.box["free_throws_tried"] += 1
            if made:
                shooter.box["free_throws_made"] += 1
                self._points(shooter, 1)
        if made:
            return "change"
        self._run(self.rng.uniform(0.6, 1.8))
        return self._rebound(self.court[shooter.team], self.court[self._other(shooter.team)])

    # -- people ------------------------------------------------------------------------------

    def _dead_ball(self, keep: _Player | None = None) -> None:
        """The clock stands: substitutions, now and then a time-out."""
        self._pause(34)
        if self.rng.random() < self.rates.timeout:
            team = self.rng.choice(self.codes)
            if self.timeouts[team]:
                self.timeouts[team] -= 1
                self._note("timeout", team=team)
                self._pause(75)
        self._substitute(keep=keep)

    def _substitute(self, *, force: bool = False, keep: _Player | None = None) -> None:
        """Bring in whoever has played too little for his share, and replace who is fouled out."""
        # In a game of full length a change is worth it from about five minutes owed between two.
        least_s = (0.14 if force else 0.28) * self.settings.period_s
        for code in self.codes:
            five = self.court[code]
            for place in range(FIVE):
                player = five[place]
                out = player.fouls >= FOUL_LIMIT
                if player is keep and not out:
                    continue
                bench = [
                    p
                    for p in self.rosters[code]
                    if p not in five and p.fouls < FOUL_LIMIT and (p.share or out)
                ]
                if not bench:
                    continue
                owed = [
                    self._owed(p)
                    + 0.07 * self.settings.period_s * (p.person.position == player.person.position)
                    for p in bench
                ]
                best = bench[owed.index(max(owed))]
                if out or self._owed(best) - self._owed(player) > least_s:
                    self._event("sub_out", player)
                    self._event("sub_in", best, same_play=True)
                    five[place] = best

    def _owed(self, player: _Player) -> float:
        return player.share * FIVE * self.elapsed_s - player.played_s

    def _pick_usage(self, attack: list[_Player]) -> _Player:
        return self.rng.choices(attack, [p.usage for p in attack])[0]

    def _other(self, code: str) -> str:
        return self.codes[1] if code == self.codes[0] else self.codes[0]

    # -- the scorer's table ------------------------------------------------------------------

    def _run(self, seconds: float) -> None:
        """Let the game clock run, in tenths as the scoreboard shows them."""
        left = round(max(0.0, self.clock_s - seconds), 1)
        ran = self.clock_s - left
        self.clock_s = left
        self.elapsed_s += ran
        self._pause(ran)
        for five in self.court.values():
            for player in five:
                player.played_s += ran

    def _pause(self, seconds: float) -> None:
        """Let time pass that the game clock does not show."""
        self.wall += dt.timedelta(seconds=seconds)

    def _points(self, scorer: _Player, points: int) -> None:
        scorer.box["points"] += points
        self.score[scorer.team] += points
        for code, five in self.court.items():
            for player in five:
                player.plus_minus += points if code == scorer.team else -points

    def _new_play(self) -> None:
        self.play_id += 1

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
        same_play: bool = False,
    ) -> None:
        if not same_play:
            self._new_play()
        detail = (made, value, x_m, y_m, contested)
        self._append(kind, player.team, player.person.player_id, detail)

    def _note(self, kind: str, team: str | None = None) -> None:
        self._new_play()
        self._append(kind, team, None, (None,) * 5)

    def _append(
        self, kind: str, team: str | None, player: str | None, detail: tuple[Any, ...]
    ) -> None:
        order = len(self.events)
        where = (self.game_id, str(order), self.play_id, order, self.period, self.clock_s)
        self.events.append((*where, team, player, kind, *detail, self.wall))

    def _appearances(self) -> list[tuple[Any, ...]]:
        return [
            (self.game_id, p.team, p.person.player_id, p.person.number, id(p) in self.starters)
            for players in self.rosters.values()
            for p in players
        ]

    def _box_scores(self) -> list[tuple[Any, ...]]:
        return [
            (
                *(self.game_id, p.team, p.person.player_id, round(p.played_s, 1), p.plus_minus),
                *(p.box[stat] for stat in tables.BOX_STATS),
            )
            for players in self.rosters.values()
            for p in players
        ]


def _odds(base: float, shift: float) -> float:
    """A probability moved by ``shift`` in log-odds."""
    odds = base / (1 - base) * math.exp(shift)
    return odds / (1 + odds)


def _mean(players: Sequence[_Player], skill: str) -> float:
    return sum([p.skills[skill] for p in players]) / len(players)


def _mean_form(players: Sequence[_Player]) -> float:
    return sum([p.defense_form for p in players]) / len(players)


def _matchup(shooter: _Player, attack: list[_Player], guard: list[_Player]) -> _Player:
    """Man to man, by height."""
    place = sum([p.height < shooter.height for p in attack])
    return sorted(guard, key=lambda p: p.height)[place]


def _dressed(people: Sequence[Person], rng: random.Random) -> list[Person]:
    """The players of the day, best first; of a longer roster the last ones take turns."""
    order = sorted(people, key=lambda p: (-p.talent, p.player_id))
    if len(order) <= DRESSED:
        return order
    rank = {p.player_id: i + rng.gauss(0, 2.5) for i, p in enumerate(order)}
    kept = sorted(order, key=lambda p: rank[p.player_id])[:DRESSED]
    return [p for p in order if p in kept]


def _minute_shares(count: int, rng: random.Random) -> list[float]:
    """Share of the team's minutes by rank in the rotation, a little different every day.

    They add up to one (but for a cap: nobody can play more than the whole game). The last of a
    long bench may not play at all, unless someone fouls out.
    """
    weights = [
        minutes * math.exp(rng.gauss(0, 0.1)) * (rng.random() >= sits)
        for minutes, sits in zip(MINUTES[:count], SITS, strict=False)
    ]
    total = sum(weights)
    return [min(1 / FIVE, weight / total) for weight in weights]


def _balanced_five(players: list[_Player]) -> list[_Player]:
    """The best five with a guard, a wing and a big, where the roster has them."""
    five: list[_Player] = []
    for position in POSITIONS:
        five += [p for p in players if p.person.position == position][:1]
    return five + [p for p in players if p not in five][: FIVE - len(five)]


def _spot(three: bool, close: bool, rng: random.Random) -> tuple[float, float]:
    """Where a shot is taken; its distance agrees with its value (arc 6.75 m, corners 6.6 m)."""
    if three and rng.random() < 0.24:
        x, y = rng.choice((-1, 1)) * rng.uniform(6.7, 7.1), rng.uniform(-1.0, 1.2)
    else:
        if three:
            radius, angle = rng.uniform(6.9, 7.9), rng.uniform(-1.15, 1.15)
        elif close:
            radius, angle = min(2.4, 0.3 + abs(rng.gauss(0, 0.9))), rng.uniform(-1.6, 1.6)
        else:
            radius, angle = rng.uniform(2.5, 6.3), rng.uniform(-1.45, 1.45)
        x, y = radius * math.sin(angle), radius * math.cos(angle)
    return round(x, 2), round(y, 2)

"""The formulas of the 20 skills, in one table, and their shrinkage.

Each skill is ``scale * made / of`` over a season. What a few trials say is pulled toward the mean
of the league and season: the score is ``scale * (made + k * mean) / (of + k)``, with the prior's
strength ``k = s2 / t2``: ``s2`` is the variance of one trial, ``t2`` that between players, by the
method of moments (DerSimonian and Laird 1986). For a share ``s2 = mean (1 - mean)`` (beta-binomial),
for a rate ``s2 = mean`` (gamma-Poisson), for a value it is measured between a player's games (normal).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket.skills import BY_KEY, SKILLS
from openbasket.transcripts.court import FREE_THROW_WEIGHT

__all__ = [
    "FORMULAS",
    "Formula",
    "Prior",
    "formula_table",
    "missing_for",
    "needs_table",
    "score",
    "score_all",
]

c = pl.col
FGA = c("two_tried") + c("three_tried")
FGM = c("two_made") + c("three_made")
POINTS = 2 * c("two_made") + 3 * c("three_made") + c("free_throws_made")
REBOUNDS = c("offensive_rebounds") + c("defensive_rebounds")
MINUTES = c("seconds") / 60
#: The two halves of the performance index rating (PIR) that the EuroLeague publishes.
OFFENSE = (
    POINTS
    + c("assists")
    + c("offensive_rebounds")
    + c("fouls_drawn")
    - (FGA - FGM)
    - (c("free_throws_tried") - c("free_throws_made"))
    - c("turnovers")
    - c("blocked")
)
DEFENSE = c("defensive_rebounds") + c("steals") + c("blocks") - c("fouls")

SHOTS = ("field_goal",)
BOX = ("field_goal", "free_throw", "offensive_rebound", "defensive_rebound", "assist", "turnover")


@dataclass(frozen=True)
class Formula:
    """How a skill is computed from the counts of ``labels.statistics``.

    Args:
        key: skill.
        made: numerator, a sum over games.
        of: denominator (trials).
        scale: what the quotient is multiplied by.
        unit: of the score.
        prior: which variance one trial has.
        needs: kinds of event that must occur in the league and season; ``contested``, ``minutes`` and
            ``lineups`` ask for marked contests, minutes played and stints.
        text: the formula for people.
        why: the rationale.
        ridge: the score is the adjusted plus-minus of :mod:`labels.impact`; the quotient is its raw value.
    """

    key: str
    made: pl.Expr
    of: pl.Expr
    scale: float
    unit: str
    prior: Literal["share", "rate", "value"]
    needs: tuple[str, ...]
    text: str
    why: str
    ridge: bool = False

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller score is a better player."""
        return BY_KEY[self.key].lower_is_better


FORMULAS: dict[str, Formula] = {
    f.key: f
    for f in (
        Formula(
            "free_throw", c("free_throws_made"), c("free_throws_tried"), 100, "%", "share",
            ("free_throw",), "FTM / FTA", "The shot nobody defends.",
        ),
        Formula(
            "two_point", c("two_made"), c("two_tried"), 100, "%", "share",
            SHOTS, "2PM / 2PA", "Finishing inside the arc.",
        ),
        Formula(
            "three_point", c("three_made"), c("three_tried"), 100, "%", "share",
            SHOTS, "3PM / 3PA", "Shooting from range.",
        ),
        Formula(
            "contested_shots", c("contested_made"), c("contested_tried"), 100, "%", "share",
            (*SHOTS, "contested"), "contested FGM / contested FGA",
            "Making shots over a defender: those that the source marks as contested; else those within 2.5 m of the basket and all that were blocked.",
        ),
        Formula(
            "overall_shooting", c("two_made") + 1.5 * c("three_made"), FGA, 100, "%", "value",
            SHOTS, "(2PM + 1.5 3PM) / FGA", "Effective field goal percentage: a three counts half more.",
        ),
        Formula(
            "rebounds", REBOUNDS, MINUTES, 36, "per 36 min", "rate",
            ("offensive_rebound", "defensive_rebound", "minutes"), "36 REB / minutes",
            "Per minute, so that a short role does not hide a rebounder.",
        ),
        Formula(
            "defensive_rebounds", c("defensive_rebounds"), MINUTES, 36, "per 36 min", "rate",
            ("defensive_rebound", "minutes"), "36 DREB / minutes", "Ending the opponents' possession.",
        ),
        Formula(
            "offensive_rebounds", c("offensive_rebounds"), MINUTES, 36, "per 36 min", "rate",
            ("offensive_rebound", "minutes"), "36 OREB / minutes", "Winning a second chance.",
        ),
        Formula(
            "steals", c("steals"), MINUTES, 36, "per 36 min", "rate",
            ("steal", "minutes"), "36 STL / minutes", "Taking the ball away.",
        ),
        Formula(
            "fouls", c("fouls"), MINUTES, 36, "per 36 min", "rate",
            ("foul", "minutes"), "36 PF / minutes", "Defending without fouling; fewer is better.",
        ),
        Formula(
            "points_allowed", c("against_points"), c("against_possessions"), 100, "per 100 poss.", "value",
            (*SHOTS, "lineups"), "100 opponents' points / opponents' possessions while on court",
            "What the other team scores when the player defends; fewer is better.",
        ),
        Formula(
            "defensive_consistency", c("good_defense"), c("rated_games"), 100, "% of games", "share",
            ("defensive_rebound", "steal", "foul", "minutes"),
            "games with (DREB + STL + BLK - PF) / minutes at or above the league's median",
            "How often the player defends at the league's standard, whatever one great night brought.",
        ),
        Formula(
            "assists", c("assists"), MINUTES, 36, "per 36 min", "rate",
            ("assist", "minutes"), "36 AST / minutes", "Passes that become baskets.",
        ),
        Formula(
            "passing_accuracy", c("passes_made"), c("passes_tried"), 100, "%", "share",
            ("pass",), "passes that arrive / passes",
            "Needs a count of passes. Assists and turnovers are other skills and no stand-in.",
        ),
        Formula(
            "turnovers", c("turnovers"),
            FGA + FREE_THROW_WEIGHT * c("free_throws_tried") + c("assists") + c("turnovers"),
            100, "% of plays", "share",
            ("turnover", "field_goal"), "TO / (FGA + 0.44 FTA + AST + TO)",
            "Share of the plays in the player's hands that lose the ball; fewer is better.",
        ),
        Formula(
            "contribution", POINTS + c("points_created"), c("on_points"), 100, "% of team points", "value",
            (*SHOTS, "assist", "lineups"),
            "(own points + points of assisted baskets) / team points while on court",
            "How much of the team's scoring goes through the player.",
        ),
        Formula(
            "offensive_consistency", c("good_offense"), c("rated_games"), 100, "% of games", "share",
            (*BOX, "minutes"),
            "games with the offensive half of PIR per minute at or above the league's median",
            "How often the player attacks at the league's standard.",
        ),
        Formula(
            "teamwork", c("on_assisted"), c("on_field_goals"), 100, "%", "share",
            (*SHOTS, "assist", "lineups"), "assisted team field goals / team field goals while on court",
            "Whether the ball moves when the player is on court.",
        ),
        Formula(
            "impact", c("on_points") - c("against_points"),
            (c("on_possessions") + c("against_possessions")) / 2,
            100, "per 100 poss.", "value",
            (*SHOTS, "lineups"),
            "ridge-adjusted plus-minus per 100 possessions; raw: 100 (team points - opponents' points) / possessions while on court",
            "By how much the player changes the margin, whoever the other nine are.",
            ridge=True,
        ),
        Formula(
            "efficiency", OFFENSE + DEFENSE, MINUTES, 36, "per 36 min", "value",
            (*BOX, "steal", "foul", "minutes"), "36 PIR / minutes",
            "The performance index rating that the EuroLeague publishes, per minute.",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Prior:
    """The prior of a skill in one league and season: ``mean`` of a trial and ``strength`` in trials."""

    mean: float
    strength: float


#: Games shorter than this share of the regular time say too little about consistency.
RATED_SHARE_OF_GAME = 0.125


def rated_games(game_rows: pl.DataFrame, games: pl.DataFrame) -> pl.DataFrame:
    """Add ``rated_games``, ``good_offense`` and ``good_defense`` (0 or 1) to each player-game."""
    length = games.select("game_id", length=c("periods").cast(pl.Float64) * c("period_s"))
    rated = c("seconds") >= RATED_SHARE_OF_GAME * c("length")
    minutes = pl.when(rated).then(MINUTES)
    rows = game_rows.join(length, on="game_id", maintain_order="left").with_columns(
        _offense=OFFENSE / minutes, _defense=DEFENSE / minutes
    )
    return rows.with_columns(
        rated_games=rated.cast(pl.Int64),
        good_offense=(c("_offense") >= c("_offense").median()).fill_null(False).cast(pl.Int64),
        good_defense=(c("_defense") >= c("_defense").median()).fill_null(False).cast(pl.Int64),
    ).drop("length", "_offense", "_defense")


def recorded(events: pl.DataFrame, timed: pl.DataFrame, lined: pl.DataFrame) -> frozenset[str]:
    """What a league's season records: kinds of event, ``contested``, ``minutes`` and ``lineups``.

    Args:
        events: table ``events``.
        timed: player-games whose minutes are known.
        lined: player-games of which the line-ups are known.
    """
    have = set(events["kind"].unique())
    if events["contested"].is_not_null().any():
        have.add("contested")
    if timed.height:
        have.add("minutes")
    if (lined["seconds"] > 0).any():
        have.add("lineups")
    return frozenset(have)


def missing_for(formula: Formula, have: frozenset[str]) -> list[str]:
    """What a league's season does not record of what a formula needs."""
    return [need for need in formula.needs if need not in have]


def score(
    formula: Formula, season_rows: pl.DataFrame, game_rows: pl.DataFrame
) -> tuple[pl.DataFrame, Prior]:
    """Compute one skill: :func:`score_all` of it alone, without the column ``skill``."""
    scored, priors = score_all([formula], season_rows, game_rows)
    return scored.drop("skill"), priors[formula.key]


def score_all(
    formulas: Sequence[Formula], season_rows: pl.DataFrame, game_rows: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, Prior]]:
    """Compute skills for the subjects of one league and season.

    Args:
        formulas: rows of :data:`FORMULAS`, one or more.
        season_rows: one row for each subject, sorted by ``player_id``.
        game_rows: the same counts game by game, sorted by ``player_id`` and ``game_id``.

    Returns:
        ``player_id, skill, raw, trials, score`` (null where a subject has no trial), and each skill's prior;
        that of a ridge is fitted elsewhere, and has no strength here.
    """
    made, trials = (
        season_rows.select(part.cast(pl.Float64).alias(key) for key, part in parts)
        for parts in ([(f.key, f.made) for f in formulas], [(f.key, f.of) for f in formulas])
    )
    priors = {
        f.key: _prior(f, made[f.key].to_numpy(), trials[f.key].to_numpy(), game_rows)
        for f in formulas
    }
    of_skill = pl.DataFrame(
        [(f.key, f.scale, priors[f.key].mean, priors[f.key].strength) for f in formulas],
        schema={
            "skill": pl.String,
            "scale": pl.Float64,
            "mean": pl.Float64,
            "strength": pl.Float64,
        },
        orient="row",
    )
    shrunk = (c("made") + c("strength") * c("mean")) / (c("trials") + c("strength"))
    has = c("trials") > 0
    scored = (
        made.with_columns(season_rows["player_id"])
        .unpivot(index="player_id", variable_name="skill", value_name="made")
        .with_columns(trials=trials.unpivot()["value"])
        .join(of_skill, on="skill", maintain_order="left")
        .select(
            "player_id",
            "skill",
            raw=pl.when(has).then(c("scale") * c("made") / c("trials")),
            trials=pl.when(has).then(c("trials")),
            score=pl.when(has).then((c("scale") * shrunk).round_sig_figs(12)),
        )
    )
    return scored, priors


def _prior(
    formula: Formula,
    made: NDArray[np.float64],
    trials: NDArray[np.float64],
    game_rows: pl.DataFrame,
) -> Prior:
    """Fit the prior by the method of moments, on subjects in one fixed order."""
    made, trials = made[trials > 0], trials[trials > 0]
    total = float(trials.sum())
    if total <= 0 or formula.ridge:
        return Prior(0.0, 0.0)
    mean = float(made.sum()) / total
    if formula.prior == "share":
        variance = mean * (1 - mean)
    elif formula.prior == "rate":
        variance = mean
    else:
        variance = _variance_of_a_trial(formula, game_rows)
    spread = float((trials * (made / trials - mean) ** 2).sum())
    weight = total - float((trials**2).sum()) / total
    between = (spread - (len(trials) - 1) * variance) / weight if weight > 0 else 0.0
    if variance <= 0:
        return Prior(mean, 0.0)
    if between <= 0:  # no more spread than chance: hardly any score is told from another
        return Prior(mean, total)
    return Prior(mean, min(variance / between, total))


def _variance_of_a_trial(formula: Formula, game_rows: pl.DataFrame) -> float:
    """Variance of one trial, from how far a player's games lie from his season."""
    rate = c("made").sum().over("player_id") / c("of").sum().over("player_id")
    rows = (
        game_rows.select(
            "player_id", made=formula.made.cast(pl.Float64), of=formula.of.cast(pl.Float64)
        )
        .filter(c("of") > 0)
        .select("player_id", square=c("of") * (c("made") / c("of") - rate) ** 2)
    )
    freedom = rows.height - rows["player_id"].n_unique()
    return float(np.sum(rows["square"].to_numpy())) / freedom if freedom > 0 else 0.0


def formula_table() -> str:
    """The formulas as a Markdown table, in the order of the paper's Table 8."""
    lines = ["| skill | formula | unit | better | why |", "|---|---|---|---|---|"]
    for s in SKILLS:
        f = FORMULAS[s.key]
        better = "lower" if f.lower_is_better else "higher"
        lines.append(f"| {s.name} | {f.text} | {f.unit} | {better} | {f.why} |")
    return "\n".join(lines) + "\n"


def needs_table() -> str:
    """What each formula needs of the events, and its prior, as a Markdown table."""
    lines = ["| key | category | prior | events it needs |", "|---|---|---|---|"]
    priors = {"share": "beta-binomial", "rate": "gamma-Poisson", "value": "normal"}
    for s in SKILLS:
        f = FORMULAS[s.key]
        prior = "normal, ridge" if f.ridge else priors[f.prior]
        needs = ", ".join(f"`{need}`" for need in f.needs)
        lines.append(f"| `{s.key}` | {s.category} | {prior} | {needs} |")
    return "\n".join(lines) + "\n"


def skills_page() -> str:
    """The text of ``docs/concepts/skills.md``."""
    return f"""# The 20 skills

This page is made from the code: `python -c "from openbasket.labels.scores import skills_page; print(skills_page(), end='')" > docs/concepts/skills.md`.

{formula_table()}
## From events to levels

1. **Count.** Each player's events, game by game; and, from the line-ups, what both teams did while he was on court. Possessions are field goals tried, less
   offensive rebounds, plus turnovers, plus trips to the line that end one.
2. **Score.** The table's formula over the season, pulled toward the mean of the league and season: `(made + k mean) / (of + k)`. The strength `k` of the prior is fitted for each
   skill, league and season by the method of moments, from how far players lie apart beyond chance; so 2 of 2 does not outrank 180 of 200. The fitted
   priors are in `openbasket/labels.json`.
   Impact is fitted for all players of the league and season together: a ridge regression of the margin of each stretch of play on the ten players in it, weighted by possessions; its
   penalty is the one of greatest marginal likelihood.
3. **Rank** inside the league and season, 1 is best. Equal scores: more trials first, then the subject's id.
4. **Level.** Rank `r` of `n` gets level `4 - floor(5 (r - 1) / n)`: five groups whose sizes differ by one at most.

Games that `openbasket check` flags are left out: wholly, or (flag `lineups`) of the skills that need line-ups. Row order changes nothing. A player with no trial in a skill has no label in it.

## What each formula needs

`contested` asks for shots that are marked as contested or not, or for places and blocks of shots: where a source has these and no marks (EuroLeague, EuroCup, ABA,
LNB, stats.nba.com with shot charts), a shot counts as contested if it was blocked or tried within 2.5 m of the basket. Of the shots there 8 to 10 % are blocked, of those from beyond
three metres less than 4 %. It is an estimate, and `labels.json` says for each league and season which one was used (`contests`). `minutes` for minutes played (official ones or from stints), `lineups` for stints.

{needs_table()}
## What a source cannot say

A skill whose events a league does not record has no labels there; the loss masks it and the tables say so. Nothing is made up.

| source | skill | why |
|---|---|---|
| Slovenia, Sidearm, ACB, basketball-reference | Contested-shots | neither contests nor places are recorded; blocked shots alone are all misses and say nothing about making contested ones |
| all but feeds that count passes | Passing Accuracy | passes are not counted, and turnovers are not told apart; assists over assists and turnovers would be another skill |

Experts' ranks from a CSV can replace any skill: [how](../how-to/label-and-split.md#experts).
"""

"""The page on the ceiling, from the results of ``benchmarks/ceiling.py``."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.evaluation.ceiling_shares import LEAST_PERSONS
from openbasket.skills import BY_KEY, SKILLS

REPO = Path(__file__).resolve().parents[1]
#: Plays in a reel, and mean top-1 accuracy of the paper's best model (Table 2).
REEL, PAPER = 50, 0.285
#: Twice chance with five levels: what we call shown.
SHOWN = 0.4
#: Of the rows in the results, which are of one split and one set of labels.
_COLUMNS = {
    name: kind
    for name, kind in tables.dtypes("ceiling").items()
    if name not in ("split", "labels_hash")
}


def ceiling_page() -> str:
    """What a reel can show at all."""
    found = json.loads((REPO / "benchmarks" / "results" / "ceiling.json").read_text())
    table = pl.DataFrame(found["rows"], schema=_COLUMNS, orient="row")
    text = (REPO / "docs" / "concepts" / "ceiling.in.md").read_text(encoding="utf-8")
    parts = {
        "subjects": f"{sum(found['splits'].values()):,}",
        "test": f"{found['splits']['test']:,}",
        "median": f"{found['median_plays']:,.0f}",
        "enough": _enough(found["enough"]),
        "reel": str(REEL),
        "answer": _answer(table),
        "means": _means(table),
        "groups": _groups(table),
        "table": _table(table),
        "sampling": _sampling(table),
        "leagues": _leagues(found),
        "left_out": _left_out(found["left_out"]),
        "few": str(LEAST_PERSONS),
        "rough": _rough(found["rough"]),
        "same": f"{found['rough']['subjects']:,}",
        "unmeasured": ", ".join(
            f"{BY_KEY[key].name} ({why})" for key, why in found["unmeasured"].items()
        ),
    }
    for name, part in parts.items():
        text = text.replace("{{ " + name + " }}", part)
    return text


def _value(
    table: pl.DataFrame, skill: str, events: int | None, sampling: str = "uniform", levels: int = 5
) -> dict[str, Any]:
    rows = table.filter(skill=skill, sampling=sampling, levels=levels)
    return rows.filter(pl.col("events").eq_missing(pl.lit(events))).row(0, named=True)


def _counts(table: pl.DataFrame) -> list[int | None]:
    return [*sorted(table["events"].drop_nulls().unique()), None]


def _percent(row: dict[str, Any], *, interval: bool = False) -> str:
    if row["accuracy"] is None:
        return "-"
    text = f"{100 * row['accuracy']:.1f}"
    return text + (f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if interval else "")


def _plays(count: int | None) -> str:
    return "all" if count is None else str(count)


def _enough(shares: dict[str, float]) -> str:
    return ", ".join(f"{100 * share:.0f} % have {n} plays or more" for n, share in shares.items())


def _answer(table: pl.DataFrame) -> str:
    five, three = (_value(table, "mean", REEL, levels=n) for n in (5, 3))
    share = (PAPER - 0.2) / (five["accuracy"] - 0.2)
    return (
        f"Who perceives {REEL} plays of a reel without any error is right in **{_percent(five)} %** of "
        f"the labels of five levels (95 % interval {100 * five['low']:.1f} to {100 * five['high']:.1f}; "
        f"chance 20), and in {_percent(three)} % of three (chance 33.3). The paper's best model has "
        f"{100 * PAPER:.1f} % on its own labels, leagues and splits: if its labels were like these, that "
        f"would be {100 * share:.0f} % of what counting perfectly seen plays can get, "
        "`(accuracy - chance) / (ceiling - chance)`."
    )


def _means(table: pl.DataFrame) -> str:
    counts = _counts(table)
    lines = [
        "| plays | " + " | ".join(map(_plays, counts)) + " |",
        "|---" * (len(counts) + 1) + "|",
    ]
    for levels in (5, 3):
        for sampling in tables.CEILING_SAMPLINGS:
            cells = [
                _percent(_value(table, "mean", n, sampling, levels), interval=True) for n in counts
            ]
            lines.append(f"| {levels} levels, {sampling} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _measured(table: pl.DataFrame) -> list[str]:
    return [s.key for s in SKILLS if _value(table, s.key, REEL)["accuracy"] is not None]


def _groups(table: pl.DataFrame) -> str:
    at = {key: _value(table, key, REEL)["accuracy"] for key in _measured(table)}
    order = sorted(at, key=at.__getitem__, reverse=True)
    groups = {
        f"**Shown** ({100 * SHOWN:.0f} % and more, twice chance)": lambda x: x >= SHOWN,
        "**Shown a little** (30 to 40 %)": lambda x: 0.3 <= x < SHOWN,
        "**Hardly shown** (below 30 %)": lambda x: x < 0.3,
    }
    lines = []
    for name, belongs in groups.items():
        members = [f"{BY_KEY[key].name} {100 * at[key]:.0f}" for key in order if belongs(at[key])]
        lines.append(f"- {name}: {', '.join(members) or 'none'}")
    return "\n".join(lines)


def needed(points: list[tuple[int, float]], wanted: float) -> str:
    """How many plays reach an accuracy, on a straight line over the logarithm between those measured."""
    if points[0][1] >= wanted:
        return f"≤ {points[0][0]}"
    for (n, y), (m, z) in itertools.pairwise(points):
        if z >= wanted > y:
            exact = math.exp(math.log(n) + (wanted - y) / (z - y) * math.log(m / n))
            return f"{round(exact, -1 if exact >= 100 else 0):.0f}"
    return f"> {points[-1][0]}"


def _table(table: pl.DataFrame) -> str:
    counts = _counts(table)
    heads = ["skill", *map(_plays, counts), f"plays for {100 * SHOWN:.0f} %", f"3 levels, {REEL}"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for key in [*(s.key for s in SKILLS), "mean"]:
        rows = {n: _value(table, key, n) for n in counts}
        name = BY_KEY[key].name if key in BY_KEY else "**mean**"
        if rows[None]["accuracy"] is None:
            lines.append(f"| {name} |" + " - |" * (len(heads) - 1))
            continue
        points = [(n, rows[n]["accuracy"]) for n in counts if n is not None]
        reach = needed(points, SHOWN)
        if reach.startswith(">") and rows[None]["accuracy"] < SHOWN:
            reach = "never"
        cells = [_percent(rows[n], interval=n == REEL) for n in counts]
        cells += [reach, _percent(_value(table, key, REEL, levels=3))]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _sampling(table: pl.DataFrame) -> str:
    lines = []
    for sampling, what in (
        ("stratified", "takes each kind of play by its share of the player's plays"),
        ("balanced", "takes all kinds equally often"),
    ):
        gains = {
            key: 100
            * (
                _value(table, key, REEL, sampling)["accuracy"]
                - _value(table, key, REEL)["accuracy"]
            )
            for key in [*_measured(table), "mean"]
        }
        mean = gains.pop("mean")
        order = sorted(gains, key=gains.__getitem__)
        best, worst = (
            ", ".join(f"{BY_KEY[key].name} {gains[key]:+.1f}" for key in some)
            for some in (order[::-1][:4], order[:4])
        )
        uniform = [(n, _value(table, "mean", n)["accuracy"]) for n in _counts(table) if n]
        like = needed(uniform, _value(table, "mean", REEL, sampling)["accuracy"])
        lines.append(
            f"- **{sampling}** {what}: {mean:+.1f} points on average with {REEL} plays, as much as "
            f"{like} uniform plays show. Most for {best}; least for {worst}."
        )
    return "\n".join(lines)


def _leagues(found: dict[str, Any]) -> str:
    schema = {"league": pl.String, **_COLUMNS}
    table = pl.DataFrame(found["leagues"], schema=schema, orient="row")
    counts = [10, REEL, 200, None]
    lines = [
        "| league | seasons | subjects | of test | "
        + " | ".join(f"{_plays(n)} plays" for n in counts)
        + " |",
        "|---" * (4 + len(counts)) + "|",
    ]
    seasons: dict[str, list[int]] = {}
    for league, _, count in found["seasons"]:
        seasons.setdefault(league, []).append(count)
    for league, sizes in seasons.items():
        part = table.filter(league=league)
        if part.is_empty():
            continue
        cells = [_percent(_value(part, "mean", n), interval=True) for n in counts]
        test = part["subjects"][0]
        lines.append(
            f"| {league} | {len(sizes)} | {sum(sizes):,} | {test} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def _left_out(places: list[dict[str, Any]]) -> str:
    """Places whose subjects are not measured or not told apart, with their numbers."""
    named = []
    for one in places:
        place = " ".join(filter(None, (one["league"], one["season"])))
        named.append(f"{place} ({one['subjects']:,} player-seasons, {one['reason']})")
    return ", ".join(named) or "none"


def _rough(rough: dict[str, Any]) -> str:
    """Mean accuracies of the rough version and of ours: of all their skills, and of those in both."""
    table = pl.DataFrame(rough["rows"], schema=_COLUMNS, orient="row")
    both = list(rough["rough_skills"])
    theirs = [
        sum(values) / len(both) for values in zip(*rough["rough_skills"].values(), strict=True)
    ]
    ours = [
        sum(_value(table, key, n)["accuracy"] for key in both) / len(both) for n in rough["events"]
    ]
    spans = zip(rough["ours"], rough["low"], rough["high"], strict=True)
    rows = {
        "rough version, its 15 skills": [f"{100 * x:.1f}" for x in rough["rough"]],
        "this one, all measured skills": [
            f"{100 * x:.1f} [{100 * low:.1f}, {100 * high:.1f}]" for x, low, high in spans
        ],
        f"rough version, the {len(both)} skills of both": [f"{100 * x:.1f}" for x in theirs],
        f"this one, the {len(both)} skills of both": [f"{100 * x:.1f}" for x in ours],
        "subjects of test with so many plays": [
            f"{100 * rough['enough'][str(n)]:.0f} %" for n in rough["events"]
        ],
    }
    heads = ["", *(f"{n} plays" for n in rough["events"])]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(x)} |" for name, x in rows.items())])

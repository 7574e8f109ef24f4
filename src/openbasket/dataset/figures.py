"""The paper's Figures 2, 3 and 4 for any dataset, and the reliability of its labels, with matplotlib."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from openbasket.errors import ConfigError
from openbasket.labels.players import clubs
from openbasket.labels.reliability import GOOD, NOISE, ReliabilityReport
from openbasket.leagues import LEAGUES
from openbasket.skills import BY_KEY, CATEGORIES, SKILLS, level_names
from openbasket.wording import counted
from openbasket.workspace import Workspace, atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FIGURES",
    "ProfileCard",
    "countries",
    "draw_all",
    "league_map",
    "profile_cards",
    "profiles",
    "reliability_plot",
    "save",
    "taxonomy",
]

#: ISO 3166-1 numeric codes, by which the map knows its countries.
NUMERIC = {
    "AND": "020", "AUS": "036", "BEL": "056", "BIH": "070", "BLR": "112", "CAN": "124", "CHN": "156",
    "DEU": "276", "ESP": "724", "FRA": "250", "GBR": "826", "GRC": "300", "HRV": "191", "ISR": "376",
    "ITA": "380", "JPN": "392", "KAZ": "398", "KOR": "410", "LTU": "440", "LVA": "428", "MCO": "492",
    "MEX": "484", "MKD": "807", "MNE": "499", "NZL": "554", "POL": "616", "ROU": "642", "RUS": "643",
    "SRB": "688", "SVN": "705", "TUR": "792", "UKR": "804", "USA": "840",
}  # fmt: skip
INK, GREY, PALE = "#1f2933", "#9aa5b1", "#e4e7eb"
COLOURS = dict(
    zip(CATEGORIES, ("#c2410c", "#0f766e", "#1d4ed8", "#7e22ce", "#a16207"), strict=True)
)
SHORT = {name: name[:3].upper() for name in CATEGORIES}


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure as MplFigure

    return MplFigure(figsize=(width, height), layout="constrained", facecolor="white")


# -- Figure 2: where the leagues are -------------------------------------------------------------


def countries() -> dict[str, list[np.ndarray[Any, Any]]]:
    """Outlines of the countries by numeric code: arrays (points, 2) of longitude and latitude."""
    text = files("openbasket.dataset").joinpath("world/countries-110m.json").read_text()
    world = json.loads(text)
    scale, offset = (np.array(world["transform"][k]) for k in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + offset for arc in world["arcs"]]

    def ring(indices: Sequence[int]) -> np.ndarray[Any, Any]:
        parts = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in indices]
        return np.concatenate([part if n == 0 else part[1:] for n, part in enumerate(parts)])

    outlines: dict[str, list[np.ndarray[Any, Any]]] = {}
    for shape in world["objects"]["countries"]["geometries"]:
        polygons = shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]
        code = str(shape.get("id", shape["properties"]["name"]))
        for polygon in polygons:
            outline = ring(polygon[0])
            outlines.setdefault(code, []).extend(_unfolded(outline))
    return outlines


def _unfolded(outline: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """An outline that crosses the 180th meridian, as two: one beyond each edge of the map."""
    if np.ptp(outline[:, 0]) < 180:
        return [outline]
    east = np.column_stack([outline[:, 0] % 360, outline[:, 1]])
    return [east, east - (360, 0)]


def league_map(players: Mapping[str, int]) -> Figure:
    """Where the leagues play, as in the paper's Figure 2.

    A country's colour is the number of player-seasons of the leagues whose clubs play there; leagues that
    :data:`leagues.LEAGUES` does not know are named below the map.

    Args:
        players: league -> player-seasons.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import LogNorm

    figure = _figure(11, 6)
    axes = figure.subplots()
    here: dict[str, int] = {}
    for key, count in players.items():
        for country in LEAGUES[key].countries if key in LEAGUES else ():
            here[NUMERIC[country]] = here.get(NUMERIC[country], 0) + count
    most = max(here.values(), default=1)
    norm = LogNorm(max(1, min(here.values(), default=1) / 2), max(most, 2))
    colour = colormaps["YlOrRd"]
    for code, rings in countries().items():
        if code == "010":  # Antarctica
            continue
        face = colour(norm(here[code])) if here.get(code) else PALE
        axes.add_collection(
            PolyCollection(rings, facecolors=face, edgecolors="white", linewidths=0.4)
        )
    axes.set_xlim(-170, 180)
    axes.set_ylim(-56, 80)
    axes.set_aspect(1.25)
    axes.axis("off")
    known = [key for key in players if key in LEAGUES]
    unknown = [key for key in players if key not in LEAGUES]
    axes.set_title(
        f"{counted(sum(players.values()), 'player-season')} of {counted(len(players), 'league')}, "
        f"{counted(len(here), 'country', 'countries')}",
        color=INK, loc="left", fontsize=14,
    )  # fmt: skip
    if here:
        bar = figure.colorbar(ScalarMappable(norm, colour), ax=axes, shrink=0.6, pad=0.01)
        bar.ax.yaxis.set_major_formatter("{x:,.0f}")
        bar.ax.yaxis.set_minor_formatter("{x:,.0f}")
        bar.set_label("player-seasons of the leagues that play there", color=INK)
    known.sort(key=lambda key: (-players[key], key))
    lines = [f"{LEAGUES[key].name}: {players[key]:,}" for key in known]
    if unknown:
        count = sum(players[key] for key in unknown)
        lines.append(f"not on the map: {', '.join(sorted(unknown)[:6])} ({count:,})")
    axes.text(-168, -50, "\n".join(lines[:16]), fontsize=8.5, color=INK, va="bottom")
    return figure


# -- Figure 3: the skills ------------------------------------------------------------------------


def taxonomy() -> Figure:
    """The five categories and their twenty skills, as in the paper's Figure 3."""
    figure = _figure(8, 8)
    axes = figure.subplots()
    turn = 0.0
    share = 2 * math.pi / len(SKILLS)
    for name in CATEGORIES:
        skills = [s for s in SKILLS if s.category == name]
        width = share * len(skills)
        _wedge(axes, 0.38, 0.36, turn, width, COLOURS[name], 1.0)
        _radial(axes, 0.56, turn + width / 2, name, "white", 11, bold=True, along=False)
        for number, skill in enumerate(skills):
            start = turn + number * share
            _wedge(axes, 0.75, 0.62, start, share, COLOURS[name], 0.22)
            _radial(axes, 0.79, start + share / 2, skill.name, INK, 9.5, along=True)
        turn += width
    axes.text(0, 0, "20 skills", ha="center", va="center", fontsize=16, color=INK)
    axes.set_xlim(-1.42, 1.42)
    axes.set_ylim(-1.42, 1.42)
    axes.set_aspect("equal")
    axes.axis("off")
    return figure


def _wedge(
    axes: Axes, inner: float, depth: float, start: float, width: float, colour: str, alpha: float
) -> None:
    from matplotlib.patches import Wedge

    degrees = [90 - math.degrees(start + width), 90 - math.degrees(start)]
    axes.add_patch(
        Wedge((0, 0), inner + depth, *degrees, width=depth, facecolor=colour, alpha=alpha,
              edgecolor="white", linewidth=1.5)
    )  # fmt: skip


def _radial(
    axes: Axes, radius: float, turn: float, text: str, colour: str, size: float,
    *, along: bool, bold: bool = False,
) -> None:  # fmt: skip
    x, y = radius * math.sin(turn), radius * math.cos(turn)
    degrees = 90 - math.degrees(turn)
    left = math.sin(turn) < 0
    if along:
        rotation = degrees + 180 if left else degrees
        side = "right" if left else "left"
    else:
        rotation = -math.degrees(turn)
        rotation += 180 if math.cos(turn) < 0 else 0
        side = "center"
    axes.text(x, y, text, rotation=rotation, rotation_mode="anchor", ha=side, va="center",
              color=colour, fontsize=size, fontweight="bold" if bold else "normal")  # fmt: skip


# -- Figure 4: profile cards ---------------------------------------------------------------------


@dataclass(frozen=True)
class ProfileCard:
    """What a profile card shows.

    Args:
        name, season, nationality, league, club: texts; ``None`` where nobody says.
        categories: category -> mean level of its labelled skills, ``None`` where it has none.
        levels: number of levels.
    """

    name: str
    season: str
    nationality: str | None
    league: str
    club: str | None
    categories: Mapping[str, float | None]
    levels: int


def profiles(workspace: Workspace, subject_ids: Sequence[str]) -> list[ProfileCard]:
    """Gather the profile cards of subjects.

    Raises:
        NotFoundError: no labels have been made.
        UnknownNameError: no such subject.
    """
    from openbasket.errors import UnknownNameError

    people = workspace.read("subjects").join(workspace.read("players"), on="player_id", how="left")
    known = set(people["subject_id"])
    for one in subject_ids:
        if one not in known:
            raise UnknownNameError("subject", one, sorted(known))
    levels = int(workspace.read_json("labels.json")["settings"]["levels"])
    category = {s.key: s.category for s in SKILLS}
    means = {
        (subject, name): mean
        for subject, name, mean in workspace.read("levels")
        .filter(pl.col("subject_id").is_in(list(subject_ids)))
        .with_columns(category=pl.col("skill").replace_strict(category))
        .group_by("subject_id", "category")
        .agg(pl.col("level").mean())
        .rows()
    }
    mine = people.filter(pl.col("subject_id").is_in(list(subject_ids)))
    teams = dict(clubs(workspace, mine).select("subject_id", "club").rows())
    cards = []
    for one in subject_ids:
        row = people.row(by_predicate=pl.col("subject_id") == one, named=True)
        league = row["league"]
        cards.append(
            ProfileCard(
                row["name"] or row["player_id"],
                row["season"],
                row["nationality"],
                LEAGUES[league].name if league in LEAGUES else league,
                teams.get(one),
                {name: means.get((one, name)) for name in CATEGORIES},
                levels,
            )
        )
    return cards


def profile_cards(cards: Sequence[ProfileCard]) -> Figure:
    """Profile cards with a radar of the five categories, as in the paper's Figure 4, and a legend."""
    columns = min(3, max(1, len(cards)))
    rows = max(1, math.ceil(len(cards) / columns))
    figure = _figure(4.8 * columns, 3.2 * rows + 0.5)
    page, legend = figure.subfigures(2, 1, height_ratios=[3.2 * rows, 0.5], squeeze=False).flat
    places = page.subfigures(rows, columns, wspace=0.02, hspace=0.02, squeeze=False).flat
    for card, place in zip(cards, places, strict=False):  # the last row may have room left
        place.patch.set(edgecolor=PALE, linewidth=1.5)
        side, radar = place.add_gridspec(1, 2, width_ratios=[1, 1.15])
        _facts(place.add_subplot(side), card)
        _radar(place.add_subplot(radar, projection="polar"), card)
    names = level_names(cards[0].levels) if cards else ("", "")
    told = (
        f"{', '.join(f'{short} {name}' for name, short in SHORT.items())}: "
        f"mean level of the skills, {names[0]} at the centre to {names[-1]} at the rim"
    )
    told = fill(told, 72 * columns)
    legend.text(0.5, 0.5, told, ha="center", va="center", fontsize=8.5, color=INK)
    return figure


def _facts(axes: Axes, card: ProfileCard) -> None:
    axes.axis("off")

    def write(y: float, text: str, size: float, colour: str, weight: str = "normal") -> None:
        written = axes.text(0.06, y, text, fontsize=size, color=colour, weight=weight, va="top")
        written.set_in_layout(False)  # so that all radars have one size

    write(0.97, fill(card.name, 18), 13 if len(card.name) <= 36 else 10, INK, "bold")
    facts = {
        "Season": card.season,
        "Nationality": card.nationality,
        "League": card.league,
        "Club": card.club,
    }
    for line, (what, value) in enumerate(facts.items()):
        y = 0.75 - 0.19 * line
        write(y, what, 8, GREY)
        write(y - 0.06, fill(value or "not told", 22), 9.5, INK if value else GREY)


def _radar(axes: Any, card: ProfileCard) -> None:
    angles = [2 * math.pi * i / len(CATEGORIES) for i in range(len(CATEGORIES))]
    top = card.levels - 1
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_ylim(0, top)
    axes.set_yticks(range(1, top + 1), [""] * top)
    labels = [
        SHORT[name] + ("" if card.categories[name] is not None else "\n(no label)")
        for name in CATEGORIES
    ]
    axes.set_xticks(angles, labels, fontsize=9, color=INK)
    axes.grid(color=PALE)
    axes.spines["polar"].set_color(PALE)
    told = [(a, card.categories[n]) for a, n in zip(angles, CATEGORIES, strict=True)]
    shown = [(a, v) for a, v in told if v is not None]
    if not shown:
        return
    closed = [*shown, shown[0]]
    axes.plot(*zip(*closed, strict=True), color="#c2410c", linewidth=2, clip_on=False, zorder=3)
    axes.fill(*zip(*closed, strict=True), color="#c2410c", alpha=0.25)
    axes.plot(
        *zip(*shown, strict=True), "o", color="#c2410c", markersize=4, clip_on=False, zorder=3
    )


# -- how far the labels can be trusted -----------------------------------------------------------


def reliability_plot(report: ReliabilityReport) -> Figure:
    """Reliability of every skill, a dot for each league and season, by category."""
    table = report.table
    order = [s.key for s in SKILLS if s.key in set(table["skill"])]
    figure = _figure(11, 1.6 + 0.34 * max(1, len(order)))
    panels = figure.subplots(1, 3, sharey=True)
    titles = {
        "split_half": "split-half reliability\n(odd and even games)",
        "year_to_year": "same player, next season\n(correlation)",
        "level_change": "share of levels that change\nwhen games are drawn anew",
    }
    for axes, (measure, title) in zip(panels, titles.items(), strict=True):
        part = table.filter(measure=measure)
        for place, key in enumerate(order):
            colour = COLOURS[BY_KEY[key].category]
            rows = part.filter(skill=key)
            values = rows["value"].to_numpy()
            if not len(values):
                continue
            offsets = np.linspace(-0.25, 0.25, len(values)) if len(values) > 1 else np.zeros(1)
            axes.hlines(place + offsets, rows["low"], rows["high"], color=colour, alpha=0.18)
            axes.plot(values, place + offsets, "o", color=colour, markersize=3, alpha=0.6)
            mean = np.average(values, weights=rows["players"].to_numpy())
            axes.plot(mean, place, "D", color=colour, markersize=7, markeredgecolor="white")
        axes.set_title(title, fontsize=11, color=INK)
        axes.set_yticks(range(len(order)), [BY_KEY[key].name for key in order], fontsize=10)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.grid(axis="x", color=PALE)
        axes.set_axisbelow(True)
        for spine in ("top", "right", "left"):
            axes.spines[spine].set_visible(False)
        axes.tick_params(axis="y", length=0)
        if measure == "level_change":
            chance = 1 - 1 / report.levels
            axes.set_xlim(0, 1)
            axes.axvline(chance, color=GREY, linestyle="--")
            axes.text(chance, -0.55, " chance", color=GREY, fontsize=8, va="top")
        else:
            lowest = float(part["low"].min() or 0.0)  # type: ignore[arg-type]
            axes.set_xlim(max(-0.5, min(0.0, lowest)), 1)
            if measure == "split_half":
                axes.axvspan(axes.get_xlim()[0], NOISE, color=PALE, alpha=0.6, zorder=0)
                axes.axvline(GOOD, color=GREY, linestyle=":")
                axes.text(
                    NOISE, -0.55, "mostly noise ", color=GREY, fontsize=8, va="top", ha="right"
                )
    return figure


#: Names of the files of :func:`draw_all`.
FIGURES = ("figure2_leagues", "figure3_skills", "figure4_players", "reliability")


def draw_all(
    workspace: Workspace,
    folder: Path,
    *,
    subject_ids: Sequence[str] = (),
    report: ReliabilityReport | None = None,
    suffix: str = "svg",
) -> list[Path]:
    """Draw every figure that the workspace has something for.

    Args:
        workspace: with labels.
        folder: where the files go; made if missing.
        subject_ids: whose profile cards are drawn; by default six of different leagues and clubs, the same
            ones every time.
        report: of the labels' reliability; without it, that figure is left out.
        suffix: ``svg``, ``png`` or ``pdf``.

    Returns:
        The files written.

    Raises:
        NotFoundError: no labels have been made.
    """
    people = workspace.read("subjects")
    counts = dict(people.group_by("league").len().sort("league").rows())
    chosen = list(subject_ids) or _spread(people, clubs(workspace, people))
    drawn = {
        FIGURES[0]: league_map(counts),
        FIGURES[1]: taxonomy(),
        FIGURES[2]: profile_cards(profiles(workspace, chosen)),
    }
    if report is not None and report.table.height:
        drawn[FIGURES[3]] = reliability_plot(report)
    written = [folder / f"{name}.{suffix}" for name in drawn]
    for path, figure in zip(written, drawn.values(), strict=True):
        save(figure, path)
    return written


def save(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all; the same figure gives the same bytes.

    Raises:
        ConfigError: the file's ending is none of svg, png and pdf, or it is a folder.
    """
    suffix = plot_format(path)
    from matplotlib import rc_context

    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": "openbasket"}), atomic_path(path) as partial:
        figure.savefig(partial, format=suffix, dpi=150, metadata=_METADATA.get(suffix))


def plot_format(path: Path) -> str:
    """What :func:`save` writes to a path: svg, png or pdf, by its ending.

    Raises:
        ConfigError: another ending, or a folder.
    """
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"figure {path.name}: got '{suffix}'; allowed: {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise ConfigError(f"figure {path.name}: got a folder; allowed: a file")
    return suffix


SUFFIXES = ("svg", "png", "pdf")
_METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def _spread(people: pl.DataFrame, teams: pl.DataFrame, count: int = 6) -> list[str]:
    """Subjects far apart: most games first within each league in turn; no club twice while others are left.

    Args:
        people: table ``subjects``.
        teams: rows of :func:`clubs`.
        count: how many.
    """
    ordered = people.sort("games", "subject_id", descending=[True, False])
    turn = pl.int_range(pl.len()).over("league", "gender")
    once = ordered.unique("player_id", keep="first", maintain_order=True)
    rows = (
        once.with_columns(turn=turn)
        .sort("turn", "league")
        .join(teams, on="subject_id", how="left", maintain_order="left")
        .select("subject_id", "team_id", "club")
        .rows()
    )
    chosen: list[str] = []
    while rows and len(chosen) < count:  # in each round, one of each club
        seen: set[str] = set()
        left = []
        for row in rows:
            subject, *club = row
            if len(chosen) < count and seen.isdisjoint(club):
                chosen.append(subject)
                seen.update(name for name in club if name)
            else:
                left.append(row)
        rows = left
    return chosen

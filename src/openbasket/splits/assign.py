"""Give each person one split: 7:1:2, with an unseen season and unseen leagues held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from openbasket.errors import SplitError, UnknownNameError
from openbasket.splits.persons import person_key
from openbasket.tables import SPLITS
from openbasket.wording import counted

__all__ = ["IN_DOMAIN", "assign", "cell"]

#: The splits of seen seasons and seen leagues.
IN_DOMAIN = ("train", "val", "test")


def cell(unseen_season: str | None, unseen_leagues: Sequence[str]) -> pl.Expr:
    """Where a subject belongs by season and league: ``in_domain`` or a generalisation set."""
    season = pl.col("season").eq_missing(pl.lit(unseen_season))
    league = pl.col("league").is_in(list(unseen_leagues))
    return (
        pl.when(season & league)
        .then(pl.lit("cross_season_and_league"))
        .when(season)
        .then(pl.lit("cross_season"))
        .when(league)
        .then(pl.lit("cross_league"))
        .otherwise(pl.lit("in_domain"))
    )


def assign(
    subjects: pl.DataFrame,
    *,
    unseen_season: str | None = None,
    unseen_leagues: Sequence[str] = (),
    ratios: tuple[int, int, int] = (7, 1, 2),
    seed: int = 0,
    persons: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Split subjects by person.

    All subjects of a person share a split. A person who played both inside and outside of the seen
    seasons and leagues is drawn into one of these places, in proportion to his subjects there; his
    other subjects are left out, with the reason. The persons inside are then shared out 7:1:2,
    exactly (largest remainders). Draws hash the seed with the person, so that neither row order nor
    anybody else changes a person's draw.

    Args:
        subjects: table ``subjects``.
        unseen_season: season kept out of training.
        unseen_leagues: leagues kept out of training.
        ratios: shares of train, val and test.
        seed: of the draws.
        persons: id of a player -> id that stands for the person
            (:func:`~openbasket.splits.persons.one_by_name`); each id is a person by default.

    Returns:
        Table ``splits``, one row for each subject.

    Raises:
        UnknownNameError: no such season or league.
        SplitError: ratios that are none, or too few persons for three splits.
    """
    seasons, leagues = (sorted(subjects[column].unique()) for column in ("season", "league"))
    if unseen_season is not None and unseen_season not in seasons:
        raise UnknownNameError("season", unseen_season, seasons)
    for league in unseen_leagues:
        if league not in leagues:
            raise UnknownNameError("league", league, leagues)
    if len(ratios) != 3 or min(ratios) < 0 or ratios[0] <= 0:
        raise SplitError(
            f"ratios {ratios}: allowed are three whole numbers from 0, the first of them more than 0"
        )
    rows = subjects.with_columns(cell(unseen_season, unseen_leagues).alias("cell")).sort(
        "subject_id"
    )
    known = persons or {}
    person = _persons(rows["player_id"], known)
    rows = rows.with_columns(
        person=pl.Series([person[player] for player in rows["player_id"]], dtype=pl.String)
    )
    home = {
        player: _drawn_cell(player, sorted(cells), seed)
        for player, cells in rows.group_by("person").agg("cell").rows()
    }
    inside = sorted(
        (player for player, place in home.items() if place == "in_domain"),
        key=lambda player: (_hash("order", seed, player), player),
    )
    wanted = [share for share in ratios if share > 0]
    if len(inside) < len(wanted):
        raise SplitError(
            f"{counted(len(inside), 'person plays', 'persons play')} in the seen seasons and leagues; "
            f"at least {len(wanted)} are needed. Hold out less, or import more"
        )
    of_person: dict[str, str] = {p: place for p, place in home.items() if place != "in_domain"}
    start = 0
    for name, count in zip(IN_DOMAIN, _quotas(len(inside), ratios), strict=True):
        of_person |= dict.fromkeys(inside[start : start + count], name)
        start += count
    result: list[tuple[str | None, ...]] = []
    for subject, player, person, league, season, place in rows.select(
        "subject_id", "player_id", "person", "league", "season", "cell"
    ).rows():
        stays = place == home[person]
        split: str | None = of_person[person] if stays else None
        reason = None if stays else f"the person is in '{of_person[person]}'; this would be {place}"
        result.append((subject, player, league, season, split, reason))
    schema = ["subject_id", "player_id", "league", "season", "split", "reason"]
    return pl.DataFrame(result, schema=dict.fromkeys(schema, pl.String), orient="row")


def _drawn_cell(player: str, cells: list[str], seed: int) -> str:
    """One of a person's cells, each as likely as its share of his subjects."""
    return cells[_hash("cell", seed, player) % len(cells)]


def _persons(players: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """The first id of each person: ids are one person's that are spelled alike, or that are known to be."""
    parent: dict[str, str] = {}

    def first(player: str) -> str:
        while (above := parent.setdefault(player, player)) != player:
            player = above
        return player

    spelled: dict[str, str] = {}
    for player in sorted(set(players)):
        for other in (known.get(player, player), spelled.setdefault(person_key(player), player)):
            one, two = sorted((first(player), first(other)))
            parent[two] = one
    return {player: first(player) for player in players}


def _quotas(persons: int, ratios: tuple[int, int, int]) -> list[int]:
    """Whole shares of ``persons``: largest remainders, and one person at least for each share."""
    total = sum(ratios)
    counts = [persons * share // total for share in ratios]
    by_remainder = sorted(range(3), key=lambda i: (-(persons * ratios[i] % total), i))
    for i in by_remainder[: persons - sum(counts)]:
        counts[i] += 1
    for i, share in enumerate(ratios):
        if share and not counts[i]:
            counts[max(range(3), key=counts.__getitem__)] -= 1
            counts[i] += 1
    return counts


def _hash(what: str, seed: int, player: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{what}:{seed}:{player}".encode()).digest()[:8], "big")


assert set(IN_DOMAIN) < set(SPLITS)

"""Who is labelled: lists of players, the best of a skill, and a player's card."""

from __future__ import annotations

from typing import Any

import polars as pl

from openbasket.errors import UnknownNameError
from openbasket.labels.reliability import NOISE
from openbasket.labels.scores import FORMULAS
from openbasket.skills import SKILLS, level_names
from openbasket.workspace import Workspace

__all__ = ["best", "card", "clubs", "mostly_noise", "players"]

#: Columns that tell who a subject is.
WHO = ("subject_id", "player_id", "name", "club", "league", "season", "games", "minutes")


def players(
    workspace: Workspace, *, league: str | None = None, season: str | None = None
) -> pl.DataFrame:
    """The subjects of a workspace, those with most minutes first within each league and season.

    Args:
        workspace: with labels.
        league: only this one.
        season: only this one.

    Returns:
        :data:`WHO`: ``subject_id, player_id, name, club, league, season, games, minutes``; ``name`` is the
        identifier where nobody says it, ``club`` null.

    Raises:
        NotFoundError: no labels have been made.
        UnknownNameError: no subject is of this league or season.
    """
    people = workspace.read("subjects")
    for what, wanted in (("league", league), ("season", season)):
        if wanted is not None:
            known = people[what].unique().sort()
            people = people.filter(pl.col(what) == wanted)
            if people.is_empty():
                raise UnknownNameError(f"{what} of labelled players", wanted, known.to_list())
    names = workspace.read("players").select("player_id", "name")
    return (
        people.join(names, on="player_id", how="left")
        .join(clubs(workspace, people), on="subject_id", how="left")
        .with_columns(name=pl.coalesce("name", "player_id"))
        .sort("league", "season", -pl.col("minutes"), "subject_id")
        .select(WHO)
    )


def best(
    workspace: Workspace,
    skill: str,
    *,
    league: str | None = None,
    season: str | None = None,
    top: int = 10,
) -> pl.DataFrame:
    """The best players of a skill in each league and season (levels of two leagues do not compare).

    Args:
        workspace: with labels.
        skill: its key.
        league: only this one.
        season: only this one.
        top: how many of each league and season.

    Returns:
        The columns of :func:`players`, ``score`` (in the skill's unit), ``rank, ranked, level``, and
        ``level_name``; best first.

    Raises:
        NotFoundError: no labels have been made.
        UnknownNameError: no subject is of this league or season.
    """
    people = players(workspace, league=league, season=season)
    found = workspace.read("levels").filter(skill=skill).drop_nulls("level")
    return (
        people.join(_named(workspace, found), on="subject_id")
        .sort("league", "season", "rank", -pl.col("level"), "subject_id", nulls_last=True)
        .group_by("league", "season", maintain_order=True)
        .head(top)
        .select(*WHO, "score", "rank", "ranked", "level", "level_name")
    )


def card(
    workspace: Workspace, player: str, *, league: str | None = None, season: str | None = None
) -> list[dict[str, Any]]:
    """What is known of a player: a card for each of his leagues and seasons.

    Args:
        workspace: with labels.
        player: ``player_id`` or ``subject_id``.
        league: only this one.
        season: only this one.

    Returns:
        For each subject the columns of :func:`players` and ``skills``: for each skill, in the order of the
        paper's Table 8, ``skill, category, score, unit, rank, ranked, level, level_name, mostly_noise``
        (null where reliability was not measured).

    Raises:
        NotFoundError: no labels have been made.
        UnknownNameError: no such player, league or season.
    """
    people = players(workspace, league=league, season=season)
    mine = people.filter((pl.col("player_id") == player) | (pl.col("subject_id") == player))
    if mine.is_empty():
        raise UnknownNameError("player", player, people["player_id"].unique().sort().to_list())
    levels = _named(workspace, workspace.read("levels"))
    cards = []
    for row in mine.iter_rows(named=True):
        of = {r["skill"]: r for r in levels.filter(subject_id=row["subject_id"]).to_dicts()}
        noise = mostly_noise(workspace, row["league"])
        told = ("score", "rank", "ranked", "level", "level_name")
        skills = [
            {"skill": s.key, "category": s.category, "unit": FORMULAS[s.key].unit}
            | {column: of[s.key][column] for column in told}
            | {"mostly_noise": noise.get(s.key)}
            for s in SKILLS
            if s.key in of
        ]
        cards.append(row | {"skills": skills})
    return cards


def mostly_noise(workspace: Workspace, league: str) -> dict[str, bool]:
    """Skill -> whether its levels are mostly noise in a league, where reliability was measured."""
    if not (workspace.private / "reliability.json").exists():
        return {}
    return {
        row["skill"]: row["split_half"] < NOISE
        for row in workspace.read_json("reliability.json")["summary"]
        if row["league"] == league and row["split_half"] is not None
    }


def clubs(workspace: Workspace, people: pl.DataFrame) -> pl.DataFrame:
    """The team of most games of each subject: ``subject_id, team_id, club`` (its name, if it is known)."""
    found = [pl.DataFrame(schema=dict.fromkeys(("subject_id", "team_id", "club"), pl.String))]
    for (league, season), part in people.partition_by("league", "season", as_dict=True).items():
        games = workspace.read("games", str(league), str(season))
        names = (
            pl.concat(
                games.select(team_id=f"{side}_team_id", club=f"{side}_team")
                for side in ("home", "away")
            )
            .group_by("team_id")
            .agg(pl.col("club").drop_nulls().first())
        )
        found.append(
            workspace.read("appearances", str(league), str(season))
            .join(part.select("player_id", "subject_id"), on="player_id")
            .group_by("subject_id", "team_id")
            .len()
            .sort("len", "team_id", descending=[True, False])
            .unique("subject_id", keep="first", maintain_order=True)
            .join(names, on="team_id", how="left")
            .select("subject_id", "team_id", "club")
        )
    return pl.concat(found)


def _named(workspace: Workspace, levels: pl.DataFrame) -> pl.DataFrame:
    """Table ``levels`` with ``level_name``."""
    names = level_names(int(workspace.read_json("labels.json")["settings"]["levels"]))
    return levels.with_columns(
        level_name=pl.col("level").replace_strict(
            dict(enumerate(names)), default=None, return_dtype=pl.String
        )
    )

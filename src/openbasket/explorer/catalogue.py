"""All player-seasons of a dataset in memory: who they are, their levels, and what runs predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.dataset.reader import dataset_levels, read_splits
from openbasket.errors import ConfigError, NotFoundError
from openbasket.evaluation.predictions import levels_of, read_predictions
from openbasket.labels.players import clubs
from openbasket.leagues import LEAGUES
from openbasket.skills import SKILL_KEYS
from openbasket.transcripts.names import unaccented
from openbasket.workspace import REEL_FPS, Workspace

__all__ = ["FACETS", "Catalogue", "Clip", "folded", "load"]

FACETS = ("league", "season", "gender", "region", "split")
FACTS = ("age", "nationality", "height_cm", "position", "games", "minutes", "events")
PLAYER = ("name", "birth_date", "nationality", "height_cm", "position")


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of a reel.

    Args:
        clip_id, game_id: which cut, of which game.
        kind: of its event; ``unknown`` where the dataset has no events.
        start_s, end_s: its place in the reel (s).
        period, clock_s: when it was in the game; ``None`` where nobody says.
    """

    clip_id: str
    game_id: str
    kind: str
    start_s: float
    end_s: float
    period: int | None
    clock_s: float | None


class Catalogue:
    """What the pages read. Nothing is written.

    Args:
        root: the dataset.
        people: a row for each subject: ``subject_id, player_id, league, season, gender, region, games,
            minutes, events, name, nationality, height_cm, position, age, split, text`` (to search in) and
            one column of levels for each skill, null where there is none.
        levels: number of levels.
        videos: subject -> reel, relative to the root.
        predicted: ``run, subject_id, skill, guess`` (likeliest level), ``p`` (its probability) and ``level``
            (the truth), null where nothing was said.
        workspace: of our own datasets; ``None`` for the official download.
    """

    def __init__(
        self,
        root: Path,
        people: pl.DataFrame,
        levels: int,
        videos: dict[str, str],
        predicted: pl.DataFrame,
        workspace: Workspace | None,
    ) -> None:
        self.root = root
        self.people = people
        self.levels = levels
        self.videos = videos
        self.predicted = predicted
        self.workspace = workspace
        self.runs: list[str] = predicted["run"].unique().sort().to_list()
        self._place = {one: n for n, one in enumerate(people["subject_id"])}
        self._reels: dict[tuple[Any, ...], pl.DataFrame] = {}
        if workspace is not None and workspace.has("reels"):
            reels = workspace.read("reels").filter(pl.col("draw") == 0).sort("position")
            self._reels = reels.partition_by("subject_id", as_dict=True)
        self._events = lru_cache(maxsize=8)(self._read_events)
        self._clubs = lru_cache(maxsize=32)(self._read_clubs)
        told = {name: people[name].null_count() < people.height for name in (*FACTS, *FACETS)}
        told["name"] = bool((people["name"] != people["player_id"]).any())
        told["clips"] = bool(self._reels)
        told["club"] = workspace is not None and workspace.has("appearances")
        #: Whether the dataset says it of anybody.
        self.told: dict[str, bool] = told

    def person(self, subject_id: str) -> dict[str, Any] | None:
        """The row of a subject, ``None`` if there is no such subject."""
        place = self._place.get(subject_id)
        return None if place is None else self.people.row(place, named=True)

    def seasons(self, player_id: str) -> list[dict[str, Any]]:
        """All subjects of a person, the latest season first."""
        mine = self.people.filter(pl.col("player_id") == player_id)
        return mine.sort("season", "league", descending=[True, False]).to_dicts()

    def club(self, subject_id: str) -> str | None:
        """The club of most games of a subject, ``None`` where the dataset does not say."""
        row = self.person(subject_id)
        return None if row is None else self._clubs(row["league"], row["season"]).get(subject_id)

    def guesses(self, subject_id: str) -> dict[str, dict[str, tuple[int, float]]]:
        """Run -> skill -> (likeliest level, its probability)."""
        found: dict[str, dict[str, tuple[int, float]]] = {run: {} for run in self.runs}
        mine = self.predicted.filter(pl.col("subject_id") == subject_id)
        for run, skill, guess, p in mine.select("run", "skill", "guess", "p").rows():
            if guess is not None:
                found[run][skill] = (guess, p)
        return {run: skills for run, skills in found.items() if skills}

    def clips(self, subject_id: str) -> list[Clip]:
        """The clips of a subject's reel, in order; none where the dataset does not list them."""
        mine = self._reels.get((subject_id,))
        person = self.person(subject_id)
        if mine is None or person is None:
            return []
        events = self._events(person["league"], person["season"])
        rows = mine.join(events, on=["game_id", "event_id"], how="left", maintain_order="left")
        fps = float(REEL_FPS)
        return [
            Clip(
                row["clip_id"],
                row["game_id"],
                row["kind"] or "unknown",
                row["first_frame"] / fps,
                (row["first_frame"] + row["frames"]) / fps,
                row["period"],
                row["clock_s"],
            )
            for row in rows.iter_rows(named=True)
        ]

    def _read_clubs(self, league: str, season: str) -> dict[str, str]:
        there = self.workspace
        if there is None or not all(
            there.has_season(name, league, season) for name in ("games", "appearances")
        ):
            return {}
        mine = self.people.filter(pl.col("league") == league, pl.col("season") == season)
        named = clubs(there, mine).select("subject_id", pl.coalesce("club", "team_id"))
        return dict(named.rows())

    def _read_events(self, league: str, season: str) -> pl.DataFrame:
        columns = ["game_id", "event_id", "kind", "period", "clock_s"]
        if self.workspace is None or not self.workspace.has_season("events", league, season):
            return tables.empty("events").select(columns)
        return self.workspace.read("events", league, season).select(columns)


def load(root: Path, predictions: Sequence[Path] = ()) -> Catalogue:
    """Read a dataset, ours or the official download.

    Args:
        root: its folder.
        predictions: parquet files of runs.

    Raises:
        NotFoundError: there is nobody in it.
        BadInputError: damaged tables, or predictions that cannot be scored.
        ConfigError: two files hold a run of one name, or predictions have other levels than the labels.
    """
    root = Path(root)
    own = (root / "openbasket" / "subjects.parquet").exists()
    workspace = Workspace(root) if own else None
    people, levels, videos = _built(workspace) if workspace else _official(root)
    if people.is_empty():
        raise NotFoundError(f"'{root}' has no players. Make labels with 'openbasket label {root}'")
    people = people.sort("name", "subject_id", nulls_last=True)
    return Catalogue(
        root, people, levels, videos, _predicted(people, levels, predictions), workspace
    )


def folded(text: str) -> str:
    """Text without case, accents and letters that few keyboards have, for searching."""
    return unaccented(text).casefold()


def _built(workspace: Workspace) -> tuple[pl.DataFrame, int, dict[str, str]]:
    people = workspace.read("subjects")
    if workspace.has("players"):
        players = workspace.read("players").select("player_id", *PLAYER)
        people = people.join(players, on="player_id", how="left")
    people = _completed(people)
    split = pl.lit(None, pl.String).alias("split")
    if workspace.has("splits"):
        splits = workspace.read("splits").select("subject_id", "split")
        people = people.join(splits, on="subject_id", how="left")
    else:
        people = people.with_columns(split)
    levels = 5
    wide = people.select("subject_id").clear()
    if workspace.has("levels"):
        try:
            levels = int(workspace.read_json("labels.json")["settings"]["levels"])
        except NotFoundError:
            levels = dataset_levels(workspace.root)
        wide = workspace.read("levels").pivot("skill", index="subject_id", values="level")
    people = people.join(wide, on="subject_id", how="left")
    videos: dict[str, str] = {}
    if workspace.has("reels"):
        reels = workspace.read("reels").filter(pl.col("draw") == 0)
        videos = dict(reels.select("subject_id", "path").unique("subject_id").rows())
    return _with_levels(people), levels, videos


def _official(root: Path) -> tuple[pl.DataFrame, int, dict[str, str]]:
    levels = dataset_levels(root)
    rows: list[dict[str, Any]] = []
    videos = {}
    for split, part in read_splits(root):
        for sample in part:
            if sample.subject_id in videos:
                continue
            videos[sample.subject_id] = _below(root, sample.path)
            league = LEAGUES.get(sample.league)
            rows.append(
                {
                    "subject_id": sample.subject_id,
                    "player_id": sample.player_id,
                    "league": sample.league,
                    "season": sample.season,
                    "gender": league.gender if league else None,
                    "region": league.region if league else None,
                    "split": split,
                }
                | dict(zip(SKILL_KEYS, sample.levels, strict=True))
            )
    if not rows:
        raise NotFoundError(
            f"'{root}' holds no dataset: neither 'openbasket/subjects.parquet' nor a CSV in 'BASKET_Labels'. "
            "Give a workspace after 'openbasket label', or the official download"
        )
    whole = dict.fromkeys(SKILL_KEYS, pl.Int8)
    people = pl.DataFrame(rows, schema_overrides=whole, infer_schema_length=None)
    return _with_levels(_completed(people)), levels, videos


def _below(root: Path, path: str) -> str:
    """A reel's path relative to the root, where it lies below it; official CSVs may have absolute ones."""
    video = Path(path)
    if not video.is_absolute() or not video.resolve().is_relative_to(root.resolve()):
        return path
    return video.resolve().relative_to(root.resolve()).as_posix()


def _completed(people: pl.DataFrame) -> pl.DataFrame:
    """All columns about a person, null where the dataset does not say."""
    kinds: dict[str, Any] = {
        "gender": pl.String, "region": pl.String, "games": pl.Int32, "minutes": pl.Float64,
        "events": pl.Int32, "name": pl.String, "birth_date": pl.Date, "nationality": pl.String,
        "height_cm": pl.Float64, "position": pl.String,
    }  # fmt: skip
    people = people.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in kinds.items() if name not in people.columns
    )
    people = people.with_columns(pl.col("gender", "region").cast(pl.String))
    began = pl.col("season").str.slice(3, 2).str.to_integer(strict=False)
    year = pl.when(began < 50).then(began + 2000).otherwise(began + 1900)
    born = pl.col("birth_date").dt
    # On the first of January of the season's second year.
    late = (born.ordinal_day() > 1).cast(pl.Int32)
    text = pl.concat_str(pl.col("name").fill_null(""), "player_id", separator=" ")
    return people.with_columns(
        age=(year - born.year() - late).cast(pl.Int32),
        text=text.map_elements(folded, return_dtype=pl.String),
        name=pl.coalesce("name", "player_id"),
    ).drop("birth_date")


def _with_levels(people: pl.DataFrame) -> pl.DataFrame:
    missing = [key for key in SKILL_KEYS if key not in people.columns]
    return people.with_columns(pl.lit(None, pl.Int8).alias(key) for key in missing)


def _predicted(people: pl.DataFrame, levels: int, files: Sequence[Path]) -> pl.DataFrame:
    kinds: dict[str, Any] = {"run": pl.String, "subject_id": pl.String, "skill": pl.String,
                             "guess": pl.Int8, "p": pl.Float64}  # fmt: skip
    parts = [pl.DataFrame(schema=kinds)]
    seen: set[str] = set()
    for file in files:
        frame = read_predictions(Path(file))
        again = seen & set(frame["run"].unique())
        if again:
            raise ConfigError(f"'{file}' has run '{min(again)}', which another file has, too")
        seen |= set(frame["run"].unique())
        stated = levels_of(frame)
        if stated != levels:
            raise ConfigError(
                f"'{file}' predicts {stated} levels; the labels of this dataset have {levels}. "
                "Give predictions of as many levels"
            )
        each = pl.concat_list(f"p{level}" for level in range(levels))
        parts.append(
            frame.select(
                "run",
                "subject_id",
                "skill",
                guess=pl.when(pl.col("p0").is_not_null()).then(each.list.arg_max()).cast(pl.Int8),
                p=each.list.max(),
            )
        )
    truth = people.select("subject_id", *SKILL_KEYS).unpivot(
        index="subject_id", variable_name="skill", value_name="level"
    )
    found = pl.concat(parts)
    return found.join(truth, on=["subject_id", "skill"], how="inner", maintain_order="left")

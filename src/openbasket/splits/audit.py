"""Search a split for leaks, and prove on planted leaks that the search finds them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import SplitError
from openbasket.splits.assign import IN_DOMAIN, cell
from openbasket.splits.persons import person_key, same_names
from openbasket.tables import SPLITS
from openbasket.wording import counted
from openbasket.workspace import Workspace, sha256

__all__ = ["AuditReport", "Evidence", "audit", "audit_workspace", "gather", "self_test"]


@dataclass(frozen=True)
class Evidence:
    """All that the audit looks at.

    Args:
        splits: table ``splits``.
        subjects: table ``subjects``.
        players: table ``players``.
        unseen_season: season that was to be held out.
        unseen_leagues: leagues that were to be held out.
        listed: (CSV's split, row, reel path) of each row of the official CSVs; empty before a build.
        reel_owners: (reel path, subject) of each reel.
        reel_hashes: reel path -> SHA-256 of its bytes.
        clips: table ``reels``, to count plays that several splits show; may be empty.
    """

    splits: pl.DataFrame
    subjects: pl.DataFrame
    players: pl.DataFrame
    unseen_season: str | None = None
    unseen_leagues: tuple[str, ...] = ()
    listed: tuple[tuple[str, int, str], ...] = ()
    reel_owners: tuple[tuple[str, str], ...] = ()
    reel_hashes: dict[str, str] = field(default_factory=dict)
    clips: pl.DataFrame | None = None


@dataclass(frozen=True)
class AuditReport:
    """What the audit found.

    Args:
        findings: (kind, what) of each leak; none is the proof that was asked for.
        checked: how much was looked at.
        notes: facts that are no leak, such as plays that two splits show from two players.
    """

    findings: list[tuple[str, str]]
    checked: dict[str, int]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "leaks": [{"kind": kind, "what": what} for kind, what in self.findings],
            "checked": self.checked,
            "notes": self.notes,
        }


def audit(evidence: Evidence) -> AuditReport:
    """Search for leaks: persons, seasons and leagues, files and rows that are where they must not be."""
    findings = [(kind, what) for kind, search in SEARCHES.items() for what in search(evidence)]
    used = evidence.splits.filter(pl.col("split").is_not_null())
    checked: dict[str, int] = {
        "subjects": evidence.splits.height,
        "persons": evidence.splits["player_id"].n_unique(),
        "subjects_in_a_split": used.height,
        "persons_with_birth_date": _with_birth_date(evidence),
        "csv_rows": len(evidence.listed),
        "reel_files_hashed": len(evidence.reel_hashes),
    }
    return AuditReport(findings, checked, [*_shared_plays(evidence), *_namesakes(evidence)])


# -- the searches ------------------------------------------------------------------------------


def _crossing_persons(e: Evidence) -> list[str]:
    keys = {player: person_key(player) for player in e.splits["player_id"].unique()}
    crossing = (
        e.splits.filter(pl.col("split").is_not_null())
        .group_by(pl.col("player_id").replace_strict(keys, return_dtype=pl.String).alias("person"))
        .agg(pl.col("player_id", "split").unique().sort())
        .filter(pl.col("split").list.len() > 1)
        .sort("person")
    )
    return [
        "person '" + "' or '".join(spelled) + f"' is in {', '.join(splits)}"
        for _, spelled, splits in crossing.rows()
    ]


def _twins(e: Evidence) -> list[str]:
    """Two ids with one name and one birth date are one person."""
    born = e.players.filter(pl.col("birth_date").is_not_null() & pl.col("name").is_not_null())
    people: dict[tuple[str, object], set[str]] = {}
    same = same_names(born["name"])
    for player, name, birth in born.select("player_id", "name", "birth_date").rows():
        people.setdefault((same.get(name, name), birth), set()).add(player)
    used = e.splits.filter(pl.col("split").is_not_null())
    where: dict[str, set[str]] = {}
    for player, split in used.select("player_id", "split").rows():
        where.setdefault(player, set()).add(split)
    found = []
    for (name, birth), ids in sorted(people.items(), key=str):
        splits = set().union(*(where.get(i, set()) for i in ids))
        if len(ids) > 1 and len(splits) > 1:
            found.append(
                f"ids {', '.join(sorted(ids))} are one person ({name}, born {birth}) in {sorted(splits)}"
            )
    return found


def _wrong_place(e: Evidence) -> list[str]:
    placed = e.splits.filter(pl.col("split").is_not_null()).with_columns(
        cell=cell(e.unseen_season, e.unseen_leagues)
    )
    wrong = placed.filter(
        pl.when(pl.col("cell") == "in_domain")
        .then(~pl.col("split").is_in(IN_DOMAIN))
        .otherwise(pl.col("split") != pl.col("cell"))
    ).sort("subject_id")
    return [
        f"'{subject}' ({league} {season}) is in '{split}', belongs to "
        + ("train, val or test" if place == "in_domain" else str(place))
        for subject, league, season, split, place in wrong.select(
            "subject_id", "league", "season", "split", "cell"
        ).rows()
    ]


def _repeated_subjects(e: Evidence) -> list[str]:
    repeated = e.splits.filter(pl.col("subject_id").is_duplicated())["subject_id"].unique().sort()
    return [f"'{subject}' stands in more than one row" for subject in repeated]


def _wrong_identity(e: Evidence) -> list[str]:
    """A row that says another person, league or season than table ``subjects`` does."""
    keys = ["subject_id", "player_id", "league", "season"]
    wrong = e.splits.select(keys).unique().join(e.subjects.select(keys), on=keys, how="anti")
    return [
        f"'{subject}' is not what table 'subjects' says" for subject in wrong["subject_id"].sort()
    ]


def _forgotten(e: Evidence) -> list[str]:
    lost = e.subjects.join(e.splits, on="subject_id", how="anti")
    return [f"'{subject}' is in no row of the split" for subject in lost["subject_id"].sort()]


def _misplaced_rows(e: Evidence) -> list[str]:
    """A CSV row whose reel belongs to a subject of another split."""
    split_of = dict(e.splits.select("subject_id", "split").rows())
    owner = dict(e.reel_owners)
    found = []
    for split, row, path in e.listed:
        subject = owner.get(path)
        if subject is None:
            found.append(f"{split}.csv, row {row}: '{path}' is no subject's reel")
        elif split_of.get(subject) != split:
            found.append(
                f"{split}.csv, row {row}: '{subject}' belongs to '{split_of.get(subject)}'"
            )
    return found


def _repeated_rows(e: Evidence) -> list[str]:
    first: dict[str, tuple[str, int]] = {}
    found = []
    for split, row, path in e.listed:
        if path in first:
            found.append(
                f"{split}.csv, row {row}: '{path}' stands in {first[path][0]}.csv, row {first[path][1]}, too"
            )
        else:
            first[path] = (split, row)
    return found


def _shared_reels(e: Evidence) -> list[str]:
    """One reel that two subjects claim."""
    owners: dict[str, set[str]] = {}
    for path, subject in e.reel_owners:
        owners.setdefault(path, set()).add(subject)
    return [
        f"'{path}' belongs to {', '.join(sorted(claims))}"
        for path, claims in sorted(owners.items())
        if len(claims) > 1
    ]


def _same_bytes(e: Evidence) -> list[str]:
    """The same film under names of two splits (inside one split it is a poor reel, but no leak)."""
    split_of = dict(e.splits.select("subject_id", "split").rows())
    owner = dict(e.reel_owners)
    names: dict[str, list[str]] = {}
    for path, digest in sorted(e.reel_hashes.items()):
        if split_of.get(owner.get(path, "")) is not None:
            names.setdefault(digest, []).append(path)
    return [
        f"{', '.join(paths)} are the same file"
        for paths in names.values()
        if len({split_of[owner[path]] for path in paths}) > 1
    ]


SEARCHES: dict[str, Callable[[Evidence], list[str]]] = {
    "person in two splits": _crossing_persons,
    "one person under two ids": _twins,
    "unseen season or league where it must not be": _wrong_place,
    "subject twice": _repeated_subjects,
    "subject with a wrong identity": _wrong_identity,
    "subject forgotten": _forgotten,
    "CSV row in the wrong split": _misplaced_rows,
    "reel listed twice": _repeated_rows,
    "reel of two subjects": _shared_reels,
    "same film under two names": _same_bytes,
}


def _shared_plays(e: Evidence) -> list[str]:
    """Plays that reels of two splits show (a shot of one player is a block of another)."""
    if e.clips is None or e.clips.is_empty():
        return []
    shown = e.clips.join(e.splits.select("subject_id", "split"), on="subject_id").drop_nulls(
        "split"
    )
    plays = shown.group_by("clip_id").agg(
        (pl.col("split") == "train").any().alias("train"),
        (pl.col("split") != "train").any().alias("other"),
    )
    both = plays.filter(pl.col("train") & pl.col("other")).height
    return [
        f"{both} of {plays.height} clips are shown by a reel of train and by one of another split, "
        "for different players of the same play (not a leak of a person)"
    ]


def _with_birth_date(e: Evidence) -> int:
    used = e.splits.select("player_id").unique()
    return used.join(e.players.filter(pl.col("birth_date").is_not_null()), on="player_id").height


def _namesakes(e: Evidence) -> list[str]:
    """Equal names whose birth dates differ or are not known: weak evidence, so a note."""
    used = e.splits.filter(pl.col("split").is_not_null())
    train = set(used.filter(pl.col("split") == "train")["player_id"])
    others = set(used["player_id"]) - train
    names: dict[str, tuple[set[str], set[str]]] = {}
    named = e.players.filter(pl.col("name").is_not_null())
    same = same_names(named["name"])
    for player, name in named.select("player_id", "name").rows():
        one, two = names.setdefault(same.get(name, name), (set(), set()))
        if player in train:
            one.add(player)
        if player in others:
            two.add(player)
    both = sorted(name for name, (one, two) in names.items() if one and two)
    if not both:
        return []
    told = ", ".join(both[:5])
    return [
        f"{counted(len(both), 'name stands', 'names stand')} both in train and elsewhere, "
        f"under different ids, with other birth dates or none ({told}): the same person, or a namesake"
    ]


# -- on a workspace ----------------------------------------------------------------------------


def gather(workspace: Workspace) -> Evidence:
    """Collect the evidence that lies in a workspace."""
    settings = workspace.read_json("splits.json")
    listed: list[tuple[str, int, str]] = []
    for split, file in official_files(workspace).items():
        if file.exists():
            with file.open(newline="", encoding="utf-8-sig") as text:
                rows = list(csv.reader(text))[1:]
            listed += [(split, number, row[0].strip()) for number, row in enumerate(rows) if row]
    reels = workspace.read("reels") if workspace.has("reels") else None
    owners: list[tuple[str, str]] = []
    hashes: dict[str, str] = {}
    if reels is not None:
        owners = sorted(reels.select("path", "subject_id").unique().rows())
        for path, _ in owners:
            if (workspace.root / path).is_file():
                hashes[path] = sha256(workspace.root / path)
    return Evidence(
        workspace.read("splits"),
        workspace.read("subjects"),
        workspace.read("players"),
        settings.get("unseen_season"),
        tuple(settings.get("unseen_leagues", ())),
        tuple(listed),
        tuple(owners),
        hashes,
        reels,
    )


def official_files(workspace: Workspace) -> dict[str, Path]:
    """Where the official layout keeps each split's CSV."""
    labels = workspace.official_labels
    return {
        split: labels / "BASKET" / f"{split}.csv"
        if split in IN_DOMAIN
        else labels / split / "test.csv"
        for split in SPLITS
    }


def audit_workspace(workspace: Workspace) -> AuditReport:
    """Audit the split, the CSVs and the reels of a workspace."""
    return audit(gather(workspace))


# -- planted leaks -----------------------------------------------------------------------------


def self_test(evidence: Evidence) -> list[tuple[str, bool]]:
    """Plant each kind of leak in a copy of the evidence; say whether the audit finds it.

    A leak counts as found if the search of its kind reports something that it did not report
    before.
    """
    results = []
    for kind, planted in plant(evidence):
        before = set(SEARCHES[kind](evidence))
        results.append((kind, bool(set(SEARCHES[kind](planted)) - before)))
    return results


def plant(evidence: Evidence) -> Sequence[tuple[str, Evidence]]:
    """Copies of the evidence, each with one leak.

    Raises:
        SplitError: the split has no training subject, or nobody else, to plant leaks with.
    """
    splits = evidence.splits
    used = splits.filter(pl.col("split").is_not_null()).sort("subject_id")
    trained, others = (
        used.filter(pl.col("split") == "train"),
        used.filter(pl.col("split") != "train"),
    )
    if trained.is_empty() or others.is_empty():
        raise SplitError("leaks can be planted only where there are train and other subjects")
    victim, other = trained.row(0, named=True), others.row(0, named=True)
    subject, player = victim["subject_id"], victim["player_id"]
    is_victim = pl.col("subject_id") == subject
    second = splits.filter(is_victim).with_columns(
        subject_id=pl.lit(subject + "-again"), split=pl.lit("test"), season=pl.lit("98-99")
    )
    twins = evidence.players.with_columns(
        name=pl.when(pl.col("player_id") == player)
        .then(pl.lit("Zoë  Planted-Twin"))
        .when(pl.col("player_id") == other["player_id"])
        .then(pl.lit("PLANTED TWIN, Zoe"))
        .otherwise("name"),
        birth_date=pl.when(pl.col("player_id").is_in([player, other["player_id"]]))
        .then(pl.date(1999, 1, 2))
        .otherwise("birth_date"),
    )
    listed = evidence.listed or (("train", 0, "planted/a.mp4"),)
    owners = evidence.reel_owners or (("planted/a.mp4", subject),)
    copies = (("planted/one.mp4", subject), ("planted/two.mp4", other["subject_id"]))
    same = {path: "0" * 64 for path, _ in copies}
    first = listed[0]
    split_of = dict(splits.select("subject_id", "split").rows())
    wrong = "test" if split_of.get(dict(owners).get(first[2], "")) != "test" else "train"
    misplaced = ((wrong, *first[1:]), *listed[1:])
    impostor = splits.with_columns(
        player_id=pl.when(is_victim).then(pl.lit("planted")).otherwise("player_id")
    )
    place = "unseen season or league where it must not be"
    return [
        ("person in two splits", replace(evidence, splits=pl.concat([splits, second]))),
        ("one person under two ids", replace(evidence, players=twins)),
        (place, replace(evidence, unseen_season=victim["season"])),
        (place, replace(evidence, unseen_leagues=(*evidence.unseen_leagues, victim["league"]))),
        ("subject twice", replace(evidence, splits=pl.concat([splits, splits.filter(is_victim)]))),
        ("subject with a wrong identity", replace(evidence, splits=impostor)),
        ("subject forgotten", replace(evidence, splits=splits.filter(~is_victim))),
        ("CSV row in the wrong split", replace(evidence, listed=misplaced, reel_owners=owners)),
        ("reel listed twice", replace(evidence, listed=(*listed, ("test", 10**6, first[2])))),
        (
            "reel of two subjects",
            replace(evidence, reel_owners=(*owners, (owners[0][0], "planted"))),
        ),
        (
            "same film under two names",
            replace(
                evidence,
                reel_owners=(*owners, *copies),
                reel_hashes=evidence.reel_hashes | same,
            ),
        ),
    ]

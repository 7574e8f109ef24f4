"""Datasets made by hand for the explorer, and visits to its pages."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
from starlette.testclient import TestClient

from openbasket import tables
from openbasket.explorer.app import create_app
from openbasket.explorer.catalogue import load
from openbasket.skills import SKILL_KEYS
from openbasket.workspace import Workspace, write_json

HOME = "http://127.0.0.1:8080"
SOFT = "default-src 'none'"


def table(name: Any, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, tables.dtypes(name), orient="row")


def made(
    root: Path, *, name: str = "Élodie Núñez", born: dt.date | None = dt.date(2000, 7, 1)
) -> Path:
    """Ann (two seasons, a reel of three clips), Bo and Cy; nobody's video is there."""
    ws = Workspace(root, create=True)
    people = [
        ("ann_nba_21_22", "ann", "nba", "21-22", "men", "North America", 10, 100.0, 50),
        ("ann_nba_22_23", "ann", "nba", "22-23", "men", "North America", 12, 300.0, 70),
        ("bo_wnba_22_23", "bo", "wnba", "22-23", "women", "North America", 20, 200.0, 90),
        ("cy_village_22_23", "cy", "village", "22-23", "men", None, 5, 50.0, 20),
    ]
    ws.write("subjects", table("subjects", people))
    ws.write(
        "players",
        table(
            "players",
            [
                ("ann", name, "men", born, "ESP", 190.0, "guard"),
                ("bo", "Bo Berg", "women", None, None, None, None),
                ("cy", None, None, None, None, None, None),
            ],
        ),
    )
    levels = [
        (
            row[0],
            skill,
            None,
            None,
            None,
            None,
            4,
            None if place % 7 == 6 else (n + place) % 5,
            "computed",
        )
        for n, row in enumerate(people)
        for place, skill in enumerate(SKILL_KEYS)
    ]
    ws.write("levels", table("levels", levels))
    write_json(ws.private / "labels.json", {"settings": {"levels": 5}})
    path = "BASKET/21-22/nba/ann_21_22.mp4"
    reels = [("ann_nba_21_22", 0, n, f"c{n}", "g1", f"e{n}", 60 * n, 60, path) for n in range(3)]
    ws.write("reels", table("reels", reels))
    events = [
        ("g1", f"e{n}", n, n, 1, 500.0 - n, "t", "ann", kind, None, None, None, None, None, None)
        for n, kind in enumerate(("assist", "steal", "assist"))
    ]
    ws.write("events", table("events", events), "nba", "21-22")
    return root


def predictions(root: Path, path: Path, run: str = "run-a") -> Path:
    """Always the level above the true one; the best is called poor. Nothing about Cy."""
    levels = pl.read_parquet(root / "openbasket" / "levels.parquet")
    rows = []
    for subject, skill, level in levels.select("subject_id", "skill", "level").rows():
        if subject.startswith("cy"):
            continue
        guess = ((level or 0) + 1) % 5
        rows.append(
            (subject, skill, *(0.6 if p == guess else 0.1 for p in range(5)), "made-up", run)
        )
    Workspace.write_file("predictions", table("predictions", rows), path)
    return path


def visit(root: Path, *files: Path, token: str | None = None, base: str = HOME) -> TestClient:
    app = create_app(load(root, files), token)
    return TestClient(app, base_url=base, follow_redirects=False)

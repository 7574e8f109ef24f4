"""From a study file to an open study."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from openbasket.study.checking import check
from openbasket.study.database import Database, database_url
from openbasket.study.design import StudyDesign, draw_players, load_design
from openbasket.study.store import Store
from openbasket.wording import counted
from openbasket.workspace import Workspace

__all__ = ["DATABASE_VARIABLE", "dataset_of", "open_store", "url_of"]

logger = logging.getLogger("openbasket.study")

#: Environment variable with the database's URL, which may hold a password.
DATABASE_VARIABLE = "OPENBASKET_STUDY_DATABASE"


def dataset_of(file: Path, design: StudyDesign) -> Path:
    """The dataset of a study; relative paths begin at the study file."""
    return (file.parent / design.dataset).absolute()


def url_of(file: Path, database: str | None = None) -> str:
    """The database of a study: what is given, what the environment says, or SQLite beside the file."""
    return database_url(file, database or os.environ.get(DATABASE_VARIABLE))


def open_store(file: Path, database: str | None = None) -> Store:
    """Open a study; the first time, draw its players.

    Args:
        file: the study file.
        database: URL; by default what the environment says, else SQLite beside the file.

    Raises:
        ConfigError: faults in the study file, or an unknown kind of database.
        BadInputError: all that is wrong with the dataset: labels or videos that are not as they were
            when players were drawn, videos and texts that name players.
        WorkspaceError: the dataset or the database cannot be opened, or the file was changed since.
    """
    design = load_design(file)
    root = dataset_of(file, design)
    Workspace(root)
    url = url_of(file, database)
    # What is wrong with the dataset is told before a database is made.
    new = url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()
    players = draw_players(design, root) if new else None
    store = Store(Database(url), design)
    try:
        if not store.prepared():
            store.prepare(players if players is not None else draw_players(design, root))
        check(store.database, design, root, file)
        changed = store.regroup()
        if changed:
            logger.warning(
                "The groups' rules were changed: %s in another group now.",
                counted(changed, "participant is", "participants are"),
            )
    except BaseException:
        store.database.close()
        raise
    return store

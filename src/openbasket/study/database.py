"""The database: SQLite (WAL, each commit on disk) or PostgreSQL, migrated to this version's tables."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from openbasket.errors import ConfigError, WorkspaceError
from openbasket.study.models import Meta

__all__ = ["Database", "database_url"]

_MIGRATIONS = Path(__file__).parent / "migrations"
#: Any number: who migrates holds this lock of PostgreSQL.
_LOCK = 7_702_025
#: Statements of PostgreSQL that take longer are given up, in milliseconds.
_TIMEOUT_MS = 15_000


def database_url(study: Path, given: str | None = None) -> str:
    """The URL that was given, or SQLite beside the study file."""
    return given or f"sqlite:///{study.with_suffix('.sqlite').absolute()}"


class Database:
    """Transactions on the study's database.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user@host/name`` (psycopg 3 is used).

    Raises:
        ConfigError: no such kind of database.
        WorkspaceError: it cannot be opened, or a newer openbasket wrote it.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise ConfigError(
                "the database's URL cannot be read; allowed: sqlite:///file, postgresql://user@host/name"
            ) from None
        self.sqlite = parsed.get_backend_name() == "sqlite"
        if not self.sqlite and parsed.get_backend_name() != "postgresql":
            raise ConfigError(
                f"databases of kind '{parsed.get_backend_name()}' are not known; allowed: sqlite, postgresql"
            )
        # SQLite has one writer at a time. Threads that wait here are served in turn; its own waiting is
        # by naps that grow, which some sleep through while others pass.
        self._writer = threading.Lock()
        if self.sqlite:
            self.engine = create_engine(
                parsed,
                connect_args={"timeout": 15},
                pool_size=48,
                max_overflow=0,
                hide_parameters=True,  # what people said is nothing for logs
            )
            if parsed.database:
                _private(Path(parsed.database))
            event.listen(self.engine, "connect", _durable)
            event.listen(self.engine, "begin", _begin)
        else:
            self.engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                connect_args={
                    "options": f"-c statement_timeout={_TIMEOUT_MS}",
                    "connect_timeout": 10,
                },
                hide_parameters=True,
                pool_size=20,  # opened as they are needed, and kept
                max_overflow=0,
                pool_pre_ping=True,
            )
        self.migrate()

    def migrate(self) -> None:
        """Bring the tables to this version; several processes may start at once.

        Raises:
            WorkspaceError: the database cannot be opened, or is newer than this version.
        """
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        try:
            with self.engine.connect().execution_options(writes=True) as connection:
                if not self.sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
        except CommandError as error:
            raise WorkspaceError(
                f"a newer openbasket made this database ({error}). Upgrade openbasket to use it"
            ) from None
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
            raise WorkspaceError(f"the database cannot be opened: {reason}") from None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that writes; all of it is on disk when the block has ended, or nothing."""
        if self.sqlite:
            with self._writer, self._write() as session:
                yield session
        else:
            with self._write() as session:
                yield session

    @contextmanager
    def _write(self) -> Iterator[Session]:
        engine: Engine = self.engine.execution_options(writes=True)
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def meta(self, key: str) -> str | None:
        """A fact of the study as a whole."""
        with self.read() as session:
            found = session.get(Meta, key)
            return None if found is None else found.value

    def set_meta(self, key: str, value: str) -> None:
        """Store such a fact, over what was there."""
        with self.write() as session:
            session.merge(Meta(key=key, value=value))

    def secret(self) -> str:
        """What signs cookies and forms; made when it is first asked for."""
        with self.write() as session:
            if not self.sqlite:
                session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            found = session.get(Meta, "secret")
            if found is None:
                found = Meta(key="secret", value=secrets.token_urlsafe(48))
                session.add(found)
            return found.value

    def scrub(self) -> None:
        """Take what was deleted out of SQLite's log, too; its pages are overwritten already."""
        if self.sqlite:
            with self._writer, closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _private(file: Path) -> None:
    """Let nobody else read the database; SQLite gives its log the same permissions."""
    with suppress(OSError):  # where it cannot be made, opening it says why
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        file.chmod(0o600)


def _durable(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

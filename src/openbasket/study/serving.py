"""Run the web server of a study until it is told to stop."""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from openbasket.errors import ConfigError
from openbasket.study.app import Study, create_app
from openbasket.study.opening import dataset_of
from openbasket.study.security import hash_password
from openbasket.study.store import Store
from openbasket.web.serving import run

__all__ = ["PASSWORD_VARIABLE", "serve", "set_password"]

#: Environment variable with the administration's password.
PASSWORD_VARIABLE = "OPENBASKET_STUDY_PASSWORD"  # noqa: S105 - a name


def set_password(store: Store, given: str | None) -> str | None:
    """Store the administration's password.

    Args:
        store: of the study.
        given: the password; where there is none, the stored one stays, or a new one is made.

    Returns:
        A password that was made here: show it, it is not kept.

    Raises:
        ConfigError: it is too short.
    """
    if given is None and store.meta("password") is not None:
        return None
    password = given if given is not None else secrets.token_urlsafe(12)
    store.set_meta("password", hash_password(password))
    return password if given is None else None


def serve(
    store: Store,
    file: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    public_url: str | None = None,
    proxy: str | None = None,
) -> None:
    """Serve a study until SIGTERM or SIGINT; requests under way are answered first.

    Args:
        store: an open study.
        file: its study file.
        host: address to listen on.
        port: port to listen on; 0 for any that is free.
        public_url: how people reach the server, such as ``https://study.example.org``.
        proxy: addresses whose ``X-Forwarded-*`` headers are believed, with commas between them.

    Raises:
        ConfigError: the address cannot be listened on, or the URL is not one.
    """
    if public_url is not None and urlsplit(public_url).scheme not in ("http", "https"):
        raise ConfigError(f"public URL '{public_url}'; allowed: http://... or https://...")
    study = Study(store, dataset_of(file, store.design), public_url)
    run(create_app(study), host, port, log="openbasket.study", proxy=proxy)

"""Run the web server of a study until it is told to stop."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from openbasket.errors import ConfigError
from openbasket.study.database import Database
from openbasket.study.security import check_password, hash_password
from openbasket.web.guard import App, Receive, Scope, Send
from openbasket.web.serving import local_url, run

__all__ = ["PASSWORD_VARIABLE", "check_url", "local_url", "serve", "set_password"]

#: Environment variable with the administration's password.
PASSWORD_VARIABLE = "OPENBASKET_STUDY_PASSWORD"  # noqa: S105 - a name


def set_password(database: Database, given: str | None) -> str | None:
    """Store the administration's password.

    Args:
        database: of the study.
        given: the password; where there is none, the stored one stays, or a new one is made.

    Returns:
        A password that was made here: show it, it is not kept.

    Raises:
        ConfigError: it is too short.
    """
    kept = database.meta("password")
    if kept is not None and (given is None or check_password(given, kept)):
        return None  # hashed anew it would end every log-in
    password = given if given is not None else secrets.token_urlsafe(12)
    database.set_meta("password", hash_password(password))
    return password if given is None else None


def check_url(public_url: str | None) -> str | None:
    """The same URL.

    Raises:
        ConfigError: it is no URL of a web server.
    """
    if public_url is not None and urlsplit(public_url).scheme not in ("http", "https"):
        raise ConfigError(f"public URL '{public_url}'; allowed: http://... or https://...")
    return public_url


def _warning(app: App) -> App:
    """Tell once where a proxy is in front that is not believed: all people then have its address."""
    told = False

    async def passed(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal told
        if not told and any(name == b"x-forwarded-for" for name, _ in scope.get("headers", ())):
            told = True
            logging.getLogger("openbasket.study").warning(
                "a proxy is in front: name its address with --proxy"
            )
        await app(scope, receive, send)

    return passed


def serve(
    app: App,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    proxy: str | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a study until SIGTERM or SIGINT; requests under way are answered first.

    Args:
        app: of a study, or of one to be made.
        host: address to listen on.
        port: port to listen on; 0 for any that is free.
        proxy: addresses whose ``X-Forwarded-*`` headers are believed, with commas between them.
        ready: called with the server's own address (a URL) once it is listened on.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    run(
        app if proxy is not None else _warning(app),
        host, port, log="openbasket.study", proxy=proxy, ready=ready,
    )  # fmt: skip

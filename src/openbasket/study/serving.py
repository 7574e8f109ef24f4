"""Run the web server of a study until it is told to stop."""

from __future__ import annotations

import logging
import secrets
import socket
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from openbasket.errors import ConfigError
from openbasket.study.database import Database
from openbasket.study.security import (
    App,
    JsonLines,
    Receive,
    Scope,
    Send,
    check_password,
    hash_password,
)

__all__ = ["PASSWORD_VARIABLE", "check_url", "local_url", "serve", "set_password"]

#: Environment variable with the administration's password.
PASSWORD_VARIABLE = "OPENBASKET_STUDY_PASSWORD"  # noqa: S105 - a name
#: Requests that are under way may take so long after a signal to stop, in seconds.
GRACE_S = 10


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


def local_url(host: str, port: int) -> str:
    """How a browser on this machine reaches what listens there; ``0.0.0.0`` and ``::`` are no addresses."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


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
    import uvicorn

    from openbasket.study.patience import Impatient

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("openbasket.study", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    config = uvicorn.Config(
        app if proxy is not None else _warning(app),
        http=Impatient,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=15,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=16_384,
        proxy_headers=proxy is not None,
        forwarded_allow_ips=proxy,
    )
    try:
        listening = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=512,
        )
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be listened on: {error.strerror}. Give another with --port"
        ) from None
    # Connections inherit it; asyncio sets it on sockets that name their protocol only. Without it the
    # body of an answer waits 40 ms for the browser to acknowledge the headers.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound = listening.getsockname()[1]
    with listening:
        if ready is not None:
            ready(local_url(host, bound))
        logging.getLogger("openbasket.study").info(
            "listening", extra={"facts": {"host": host, "port": bound}}
        )
        uvicorn.Server(config).run(sockets=[listening])

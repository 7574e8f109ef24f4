"""Run a web application until it is told to stop."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable

from openbasket.errors import ConfigError
from openbasket.web.guard import App, JsonLines

__all__ = ["local_url", "run"]

#: Requests that are under way may take so long after a signal to stop, in seconds.
GRACE_S = 10


def local_url(host: str, port: int) -> str:
    """How a browser on this machine reaches what listens there; ``0.0.0.0`` and ``::`` are no addresses."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def run(
    app: App,
    host: str,
    port: int,
    *,
    log: str,
    proxy: str | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve an application until SIGTERM or SIGINT; requests under way are answered first.

    Args:
        app: what is served.
        host: address to listen on.
        port: port to listen on; 0 for any that is free.
        log: name of the application's logger, whose lines go to standard error as JSON.
        proxy: addresses whose ``X-Forwarded-*`` headers are believed, with commas between them.
        ready: called with the address once it is listened on.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    import uvicorn

    from openbasket.web.patience import Impatient

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in (log, "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    config = uvicorn.Config(
        app,
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
        logging.getLogger(log).info("listening", extra={"facts": {"host": host, "port": bound}})
        uvicorn.Server(config).run(sockets=[listening])

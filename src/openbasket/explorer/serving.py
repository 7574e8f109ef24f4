"""Serve the explorer of a dataset."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from openbasket.errors import ConfigError
from openbasket.explorer.app import create_app
from openbasket.explorer.catalogue import Catalogue
from openbasket.explorer.door import is_loopback
from openbasket.web.serving import run

__all__ = ["MIN_TOKEN", "address", "serve", "token_for"]

MIN_TOKEN = 8


def token_for(host: str, given: str | None) -> str | None:
    """The token that visitors need: none on loopback, unless one is given; elsewhere the given or a new one.

    Raises:
        ConfigError: the token is too short, or cannot stand in an address.
    """
    if given is None:
        return None if is_loopback(host) else secrets.token_urlsafe(24)
    if not MIN_TOKEN <= len(given) <= 200 or not all(c.isalnum() or c in "-_." for c in given):
        raise ConfigError(
            f"a token of {len(given)} characters; allowed: {MIN_TOKEN} to 200 letters, digits, '-', '_' and "
            "'.'. Leave --token out to have one made"
        )
    if not given.isascii():
        raise ConfigError("the token has letters beyond ASCII; leave --token out to have one made")
    return given


def address(local: str, token: str | None) -> str:
    """What to open in a browser, where the server is reached at ``local``."""
    return f"{local}/" + (f"?token={token}" if token else "")


def serve(
    catalogue: Catalogue,
    host: str,
    port: int,
    token: str | None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        catalogue: what is shown.
        host: address to listen on.
        port: port to listen on; 0 for any that is free.
        token: from :func:`token_for`.
        ready: called with what to open in a browser, once it is listened on.

    Raises:
        ConfigError: the address cannot be listened on.
    """

    def told(local: str) -> None:
        if ready is not None:
            ready(address(local, token))

    run(create_app(catalogue, token), host, port, log="openbasket.explorer", ready=told)


def catalogue_facts(catalogue: Catalogue, where: str, root: Path) -> dict[str, object]:
    """What ``--json`` prints before the server starts."""
    return {
        "address": where,
        "dataset": str(root),
        "player_seasons": catalogue.people.height,
        "runs": catalogue.runs,
    }

"""Around every web page: limits of requests, security headers, one line of log for each request."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import Response

__all__ = ["App", "Guard", "JsonLines", "Receive", "Scope", "Send"]

#: The largest body of a request, in bytes, and how long it may take to come, in seconds.
MAX_BODY, BODY_S = 65_536, 20.0
_HEADERS = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; img-src 'self'; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    # The address of an invitation is a secret; 'no-referrer' would take the Origin off our own forms.
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=()",
    b"x-robots-tag": b"noindex, nofollow",
}

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """Around the whole app: limits, headers, and one line of log for each request.

    Args:
        app: what is guarded.
        log: name of the logger that gets the lines.
        fault: makes the answer where the app fails.
        https: whether people reach it through https.
    """

    def __init__(
        self, app: App, *, log: str, fault: Callable[[], Response], https: bool = False
    ) -> None:
        self.app = app
        self.logger = logging.getLogger(log)
        self.fault = fault
        self.headers = dict(_HEADERS)
        if https:
            self.headers[b"strict-transport-security"] = b"max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, begun = time.perf_counter(), 500, False

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                names = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *((n, v) for n, v in message["headers"] if n.lower() != b"server"),
                    *self.headers.items(),
                    *([] if b"cache-control" in names else [(b"cache-control", b"no-store")]),
                ]
            await send(message)

        try:
            body = _refusal(scope) or await _body(receive)
            if body is None:
                status = 499  # nobody is there to be answered
            elif isinstance(body, tuple):
                await _plain(answer, *body)
            else:
                await self.app(scope, _replay(body, receive), answer)
        except Exception as error:
            self.logger.error("fault", exc_info=error)
            if not begun:
                await self.fault()(scope, receive, answer)
        finally:
            self.logger.info(
                "request",
                extra={
                    "facts": {
                        "method": scope["method"],
                        "route": _route(scope),
                        "status": status,
                        "ms": round(1000 * (time.perf_counter() - started), 1),
                    }
                },
            )


def _route(scope: Scope) -> str:
    """Template of the path, as a path may hold a secret; ``-`` where nothing answers to it."""
    mounted = str(scope.get("root_path", "")) if "app_root_path" in scope else ""
    return getattr(scope.get("route"), "path", None) or mounted or "-"


def _refusal(scope: Scope) -> tuple[int, str] | None:
    headers = {name.lower(): value for name, value in scope["headers"]}
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 12 or int(length) > MAX_BODY:
        return 413, "That is too large."
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return None
    origin, host = headers.get(b"origin"), headers.get(b"host", b"")
    ours = (None, b"http://" + host, b"https://" + host)
    if origin not in ours or headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
        return 403, "This form was sent from another site."
    return None


async def _body(receive: Receive) -> bytes | tuple[int, str] | None:
    """The whole body, or why there is none; ``None`` where the client has gone away."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                size += len(message.get("body", b""))
                if size > MAX_BODY:
                    return 413, "That is too large."
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        return 408, "That took too long."


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


async def _plain(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class JsonLines(logging.Formatter):
    """Log records as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        facts = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            facts["error"] = self.formatException(record.exc_info)
        return json.dumps(facts)

"""Cookies, forms and passwords of the study's pages, and what a request may be at most."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import delete, func, select

from openbasket.errors import ConfigError
from openbasket.study.database import Database
from openbasket.study.models import LoginFailure

__all__ = [
    "FormFault",
    "Guard",
    "JsonLines",
    "PostedForm",
    "Tokens",
    "check_password",
    "hash_password",
    "may_try",
    "posted",
    "schema",
    "set_cookie",
    "succeeded",
]

logger = logging.getLogger("openbasket.study")

#: A participant may come back for so long; an administrator works for so long.
PARTICIPANT_S, ADMIN_S = 60 * 86_400, 8 * 3600
#: The largest body of a request, in bytes, and how long it may take to come, in seconds.
MAX_BODY, BODY_S = 65_536, 20.0
#: Wrong passwords in so many seconds: from one address; and in all, after which each address has one.
WINDOW_S, PER_ADDRESS, IN_ALL = 900.0, 5, 100
MIN_PASSWORD = 10
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
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


class FormFault(Exception):  # noqa: N818 - an answer to who filled a form in
    """A form that does not say what it should; ``values`` is what it says."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__("Please fill in every field with one of the values that are allowed.")
        self.values = values


class PostedForm(BaseModel):
    """A form; ``form`` is its signed token."""

    model_config = ConfigDict(extra="forbid")
    form: str = Field(min_length=1, max_length=500)


FormKind = TypeVar("FormKind", bound=PostedForm)


class Tokens:
    """Signs what the server gives out, and knows it again.

    Args:
        secret: of the study.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def give(self, purpose: str, content: object) -> str:
        """Sign something for a purpose."""
        return str(URLSafeTimedSerializer(self._secret, salt=purpose).dumps(content))

    def take(self, purpose: str, token: str | None, max_age: int) -> Any:
        """What was signed for this purpose, ``None`` if it was not, or too long ago."""
        if not token:
            return None
        try:
            signer = URLSafeTimedSerializer(self._secret, salt=purpose)
            content, signed = signer.loads(token, return_timestamp=True)
        except BadData:
            return None
        # A clock that was put back makes fresh tokens come from the future; nobody else can.
        return content if abs(time.time() - signed.timestamp()) <= max_age else None

    def derive(self, purpose: str) -> str:
        """A secret that is always the same for a purpose."""
        return hmac.new(self._secret.encode(), purpose.encode(), "sha256").hexdigest()


def posted(model: type[FormKind]) -> Callable[[Request], Awaitable[FormKind]]:
    """What reads a form of this kind; a dependency of FastAPI's.

    It raises :class:`FormFault` for values that are not allowed, and HTTP 400 or 415 for bodies that no
    form of ours sends.
    """

    async def read(request: Request) -> FormKind:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise HTTPException(415, "Forms come as application/x-www-form-urlencoded.")
        body = await request.body()
        try:
            pairs = parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(body),
                errors="strict",
                max_num_fields=100,
            )
        except ValueError:
            raise HTTPException(400, "This form cannot be read.") from None
        values = dict(pairs)
        if len(values) < len(pairs) or any("\x00" in text for pair in pairs for text in pair):
            raise HTTPException(400, "This form cannot be read.")
        try:
            return model.model_validate(values)
        except ValidationError:
            raise FormFault(values) from None

    return read


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """The form's part of the OpenAPI schema."""
    content = {"application/x-www-form-urlencoded": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def hash_password(password: str) -> str:
    """Hash a password with scrypt and fresh salt.

    Raises:
        ConfigError: it is too short.
    """
    if len(password) < MIN_PASSWORD:
        raise ConfigError(
            f"the password has {len(password)} characters; allowed: at least {MIN_PASSWORD}"
        )
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT).hex()}"


def check_password(password: str, hashed: str) -> bool:
    """Whether this is the password that was hashed."""
    salt, _, wanted = hashed.partition("$")
    found = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()
    return hmac.compare_digest(found, wanted)


def may_try(database: Database, address: str) -> int | None:
    """Count an attempt to log in as failed, until it succeeds.

    Returns:
        Its number; ``None`` if there were too many from this address. Where there were many in all, one
        is too many: who guesses from everywhere does not lock out who knows the password.
    """
    now, address = time.time(), _network(address)
    with database.write() as session:
        session.execute(delete(LoginFailure).where(LoginFailure.at < now - WINDOW_S))
        from_here = select(func.count()).where(LoginFailure.address == address)
        in_all = session.scalar(select(func.count()).select_from(LoginFailure)) or 0
        allowed = PER_ADDRESS if in_all < IN_ALL else 1
        if (session.scalar(from_here) or 0) >= allowed:
            return None
        attempt = LoginFailure(address=address, at=now)
        session.add(attempt)
        session.flush()
        return attempt.id


def _network(address: str) -> str:
    """What one person has: an address of version 4, the first 64 bits of one of version 6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((int(found), 64), strict=False))


def succeeded(database: Database, attempt: int) -> None:
    """Take back the failure that :func:`may_try` counted."""
    with database.write() as session:
        session.execute(delete(LoginFailure).where(LoginFailure.id == attempt))


class Guard:
    """Around the whole app: limits, headers, and one line of log for each request.

    Args:
        app: what is guarded.
        fault: makes the answer where the app fails.
        https: whether people reach it through https.
    """

    def __init__(self, app: App, *, fault: Callable[[], Response], https: bool = False) -> None:
        self.app = app
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
            logger.error("fault", exc_info=error)
            if not begun:
                await self.fault()(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "-")
            logger.info(
                "request",
                extra={
                    "facts": {
                        "method": scope["method"],
                        "route": route,  # a path may hold a secret
                        "status": status,
                        "ms": round(1000 * (time.perf_counter() - started), 1),
                    }
                },
            )


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


def set_cookie(response: Response, name: str, value: str, age: int, *, https: bool) -> None:
    """Set a cookie that scripts cannot read and other sites cannot send along."""
    response.set_cookie(
        name,
        value,
        max_age=age,
        httponly=True,
        secure=https,
        samesite="strict" if name == "study_admin" else "lax",
    )

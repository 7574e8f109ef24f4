"""Cookies, forms and passwords of the study's pages."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
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
#: Wrong passwords in so many seconds: from one address; and in all, after which each address has one.
WINDOW_S, PER_ADDRESS, IN_ALL = 900.0, 5, 100
MIN_PASSWORD = 10
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


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

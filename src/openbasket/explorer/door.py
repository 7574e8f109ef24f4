"""Who may come in: no login on loopback, a token elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from urllib.parse import parse_qsl, urlencode

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Door", "is_loopback"]

COOKIE = "openbasket_explore"
AGE_S = 30 * 86_400


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Door:
    """Around the pages: asks for the token, or for a loopback name where there is none.

    A page of another site could have its own name point to this machine; the ``Host`` header would tell.

    Args:
        app: what is behind it.
        token: whoever shows it in ``?token=`` gets a cookie; ``None``: everybody of this machine.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or not."""
        refused = self._refusal(scope) if scope["type"] == "http" else None
        await (refused or self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("Nothing can be changed here.", 405, {"allow": "GET, HEAD"})
        headers = {n.decode("latin-1").lower(): v.decode("latin-1") for n, v in scope["headers"]}
        if self.token is None:
            name = headers.get("host", "")
            name = name[1:].partition("]")[0] if name[:1] == "[" else name.partition(":")[0]
            if not is_loopback(name):
                return PlainTextResponse("This name is not served here.", 421)
            return None
        if scope["path"].startswith("/static/") or scope["path"] == "/healthz":
            return None
        if hmac.compare_digest(self._cookie(headers.get("cookie", "")), self._sealed().encode()):
            return None
        try:
            pairs = parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=100)
        except ValueError:
            pairs = []
        given = dict(pairs).get("token", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            text = "Open the address with its token, as 'openbasket explore' printed it."
            return PlainTextResponse(text, 401, {"www-authenticate": "Token"})
        left = urlencode([(k, v) for k, v in pairs if k != "token"])
        path = "/" + scope["path"].lstrip("/\\")  # never another host
        answer = RedirectResponse(f"{path}?{left}" if left else path, 303)
        answer.set_cookie(COOKIE, self._sealed(), AGE_S, httponly=True, samesite="lax")
        return answer

    def _sealed(self) -> str:
        return hashlib.sha256(f"explore {self.token}".encode()).hexdigest()

    @staticmethod
    def _cookie(header: str) -> bytes:
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE:
                return value.encode("utf-8", "replace")
        return b""

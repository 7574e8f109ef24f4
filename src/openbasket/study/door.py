"""The log-in of the administration."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from openbasket.study import security
from openbasket.study.database import Database
from openbasket.study.security import ADMIN_S, PostedForm, Tokens, posted, schema, set_cookie
from openbasket.wording import counted

__all__ = ["Door"]

COOKIE = "study_admin"


class LoginForm(PostedForm):
    """The password."""

    password: Annotated[str, Field(min_length=1, max_length=200)]


class Door:
    """Knows who has logged in, and signs their forms.

    Args:
        database: with the password's hash.
        tokens: of the same database's secret.
        page: makes a page of a template: name, status, values.
        https: whether cookies are for https alone.
    """

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        page: Callable[..., HTMLResponse],
        *,
        https: bool = False,
    ) -> None:
        self.database = database
        self.tokens = tokens
        self.page = page
        self.https = https

    def holder(self) -> str:
        """What makes cookies void when the password changes or somebody logs out."""
        meta = self.database.meta
        return self.tokens.derive(f"{meta('password')} {meta('logouts')}")[:32]

    def administrator(self, request: Request) -> str:
        """The log-in that a request belongs to; a dependency of FastAPI's.

        Raises:
            HTTPException: 303 to the log-in.
        """
        content = self.tokens.take(COOKIE, request.cookies.get(COOKIE), ADMIN_S)
        if not isinstance(content, list) or content[0] != self.holder():
            raise HTTPException(303, "Please log in.", {"location": "/admin/login"})
        return str(content[1])

    def give(self, nonce: str) -> str:
        """The token of a form for a log-in."""
        return self.tokens.give("admin-form", [nonce, secrets.token_urlsafe(12)])

    def check(self, nonce: str, form: str) -> str:
        """What names this copy of a form.

        Raises:
            HTTPException: 403; it was not given to this log-in.
        """
        content = self.tokens.take("admin-form", form, ADMIN_S)
        if not isinstance(content, list) or content[0] != nonce:
            raise HTTPException(403, "This form is not yours, or too old. Load the page again.")
        return str(content[1])

    def register(self, app: FastAPI) -> None:
        """Add the pages to log in and out."""
        who = Depends(self.administrator)

        @app.get("/admin/login", response_class=HTMLResponse)
        def login_page() -> Response:
            return self.page("admin/login.html", form=self.give("login"), told="")

        @app.post("/admin/login", openapi_extra=schema(LoginForm), response_class=HTMLResponse)
        def login(request: Request, form: LoginForm = Depends(posted(LoginForm))) -> Response:
            self.check("login", form.form)
            address = request.client.host if request.client else "?"
            attempt = security.may_try(self.database, address)
            if attempt is None:
                minutes = counted(round(security.WINDOW_S / 60), "minute")
                text = f"There were too many wrong passwords. Try again in {minutes}."
                raise HTTPException(429, text, {"retry-after": str(int(security.WINDOW_S))})
            hashed = self.database.meta("password")
            if hashed is None or not security.check_password(form.password, hashed):
                told = "That is not the password."
                return self.page("admin/login.html", 403, form=self.give("login"), told=told)
            security.succeeded(self.database, attempt)
            response = RedirectResponse("/admin", 303)
            cookie = self.tokens.give(COOKIE, [self.holder(), secrets.token_urlsafe(16)])
            set_cookie(response, COOKIE, cookie, ADMIN_S, https=self.https)
            return response

        @app.post("/admin/logout", openapi_extra=schema(PostedForm), response_class=HTMLResponse)
        def logout(nonce: str = who, form: PostedForm = Depends(posted(PostedForm))) -> Response:
            self.check(nonce, form.form)
            self.database.set_meta("logouts", secrets.token_urlsafe(8))
            response = RedirectResponse("/admin/login", 303)
            response.delete_cookie(COOKIE)
            return response

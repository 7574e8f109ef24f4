"""The administration: log in, see progress, invite, export, pay, close, delete."""

from __future__ import annotations

import io
import secrets
import time
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from openbasket.errors import NotFoundError
from openbasket.study import exports, scoring, security
from openbasket.study.app import Study
from openbasket.study.security import ADMIN_S, PostedForm, posted, schema, set_cookie
from openbasket.wording import counted

__all__ = ["register"]

COOKIE = "study_admin"
CSV = "text/csv; charset=utf-8"

Label = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class LoginForm(PostedForm):
    """The password."""

    password: Annotated[str, Field(min_length=1, max_length=200)]


class InviteForm(PostedForm):
    """How many invitations, and a note about them."""

    count: Annotated[int, Field(ge=1, le=200)]
    label: Label = ""


class StateForm(PostedForm):
    """Whether answers are taken."""

    state: Literal["open", "closed"]


class ForgetForm(PostedForm):
    """Whom to delete; ``again`` repeats the number."""

    participant: Annotated[int, Field(ge=1, lt=2**31)]
    again: Annotated[int, Field(ge=1, lt=2**31)]


def register(app: FastAPI, study: Study) -> None:
    """Add the pages of the administration."""
    store, tokens = study.store, study.tokens

    def holder() -> str:
        """What makes cookies void when the password changes or somebody logs out."""
        return tokens.derive(f"{store.meta('password')} {store.meta('logouts')}")[:32]

    def administrator(request: Request) -> str:
        content = tokens.take(COOKIE, request.cookies.get(COOKIE), ADMIN_S)
        if not isinstance(content, list) or content[0] != holder():
            raise HTTPException(303, "Please log in.", {"location": "/admin/login"})
        return str(content[1])

    who = Depends(administrator)

    def give(nonce: str) -> str:
        return tokens.give("admin-form", [nonce, secrets.token_urlsafe(12)])

    def check(nonce: str, form: str) -> str:
        content = tokens.take("admin-form", form, ADMIN_S)
        if not isinstance(content, list) or content[0] != nonce:
            raise HTTPException(403, "This form is not yours, or too old. Load the page again.")
        return str(content[1])

    @app.get("/admin/login", response_class=HTMLResponse)
    def login_page() -> Response:
        return study.page("admin/login.html", form=give("login"), told="")

    @app.post("/admin/login", openapi_extra=schema(LoginForm), response_class=HTMLResponse)
    def login(request: Request, form: LoginForm = Depends(posted(LoginForm))) -> Response:
        check("login", form.form)
        address = request.client.host if request.client else "?"
        attempt = security.may_try(store.database, address)
        if attempt is None:
            minutes = counted(round(security.WINDOW_S / 60), "minute")
            text = f"There were too many wrong passwords. Try again in {minutes}."
            raise HTTPException(429, text, {"retry-after": str(int(security.WINDOW_S))})
        hashed = store.meta("password")
        if hashed is None or not security.check_password(form.password, hashed):
            told = "That is not the password."
            return study.page("admin/login.html", 403, form=give("login"), told=told)
        security.succeeded(store.database, attempt)
        response = RedirectResponse("/admin", 303)
        cookie = tokens.give(COOKIE, [holder(), secrets.token_urlsafe(16)])
        set_cookie(response, COOKIE, cookie, ADMIN_S, https=study.https)
        return response

    @app.post("/admin/logout", openapi_extra=schema(PostedForm), response_class=HTMLResponse)
    def logout(nonce: str = who, form: PostedForm = Depends(posted(PostedForm))) -> Response:
        check(nonce, form.form)
        store.set_meta("logouts", secrets.token_urlsafe(8))
        response = RedirectResponse("/admin/login", 303)
        response.delete_cookie(COOKIE)
        return response

    @app.get("/admin", response_class=HTMLResponse)
    def overview(nonce: str = who) -> Response:
        return study.page("admin/overview.html", form=give(nonce), **_progress(study))

    @app.post("/admin/invite", openapi_extra=schema(InviteForm), response_class=HTMLResponse)
    def invite(
        request: Request, nonce: str = who, form: InviteForm = Depends(posted(InviteForm))
    ) -> Response:
        once = check(nonce, form.form)
        # The same form sent again makes the same invitations.
        secrets_of = [tokens.derive(f"invite {once} {n}")[:40] for n in range(form.count)]
        base = study.public_url or str(request.base_url).rstrip("/")
        links = [
            (number, f"{base}/i/{token}")
            for number, token in store.invite(form.count, form.label, secrets_of)
        ]
        return study.page("admin/invited.html", links=links)

    @app.post("/admin/state", openapi_extra=schema(StateForm), response_class=HTMLResponse)
    def state(nonce: str = who, form: StateForm = Depends(posted(StateForm))) -> Response:
        check(nonce, form.form)
        store.set_meta("state", form.state)
        return RedirectResponse("/admin", 303)

    @app.post("/admin/forget", openapi_extra=schema(ForgetForm), response_class=HTMLResponse)
    def forget(nonce: str = who, form: ForgetForm = Depends(posted(ForgetForm))) -> Response:
        check(nonce, form.form)
        if form.participant != form.again:
            raise HTTPException(422, "The two numbers differ; nobody was deleted.")
        try:
            store.forget(form.participant)
        except NotFoundError as error:
            raise HTTPException(404, str(error)) from None
        return RedirectResponse("/admin", 303)

    @app.get("/admin/export/{name}", dependencies=[who], response_class=Response)
    def export(name: str) -> Response:
        table, _, kind = name.rpartition(".")
        if table not in exports.TABLES or kind not in ("csv", "parquet"):
            raise HTTPException(404, "There is no such export.")
        frame = exports.TABLES[table](store)
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        if kind == "csv":
            return Response(exports.csv_text(frame), media_type=CSV, headers=headers)
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        kind = "application/vnd.apache.parquet"
        return Response(buffer.getvalue(), media_type=kind, headers=headers)


def _progress(study: Study) -> dict[str, Any]:
    """What the overview shows."""
    everybody = scoring.answers(study.store)
    exposures = dict.fromkeys(study.pool, 0)
    rows = []
    states = dict.fromkeys(("invited", "consented", "active", "finished", "declined"), 0)
    for found in everybody:
        person = found.participant
        states[person.state] += 1
        for assignment in found.assignments:
            exposures[assignment.subject_id] += 1
        times = [
            t for a in found.assignments for t in (a.beat_at, a.watched_at, a.rated_at) if t
        ] + [t for t in (person.started_at, person.finished_at) if t]
        rows.append(
            {
                "id": person.id,
                "label": person.label,
                "group": person.group or "",
                "state": person.state,
                "done": sum(a.done for a in found.assignments),
                "recognised": sum(bool(a.recognised) for a in found.assignments),
                "failed": found.failed_checks(),
                "speed": max((a.speed for a in found.assignments), default=0.0),
                "clock": sum(a.watched_by == "clock" for a in found.assignments),
                "seen": time.strftime("%d %b %H:%M", time.gmtime(max(times))) if times else "",
            }
        )
    return {
        "rows": rows,
        "states": states,
        "ratings": sum(len(r) for found in everybody for r in found.ratings.values()),
        "least": min(exposures.values(), default=0),
        "most": max(exposures.values(), default=0),
        "players": len(exposures),
        "closed": study.store.meta("state") == "closed",
        "exports": list(exports.TABLES),
    }

"""The administration: log in, see progress, invite, export, pay, close, delete."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from openbasket.errors import NotFoundError
from openbasket.study import exports, scoring
from openbasket.study.app import Study
from openbasket.study.door import Door
from openbasket.study.security import PostedForm, posted, schema

__all__ = ["register"]

CSV = "text/csv; charset=utf-8"

Label = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


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

    door = Door(store.database, tokens, study.page, https=study.https)
    who, give, check = Depends(door.administrator), door.give, door.check
    door.register(app)

    @app.get("/admin", response_class=HTMLResponse)
    def overview(nonce: str = who) -> Response:
        return study.page("admin/overview.html", form=give(nonce), **_progress(study))

    @app.post("/admin/invite", openapi_extra=schema(InviteForm), response_class=HTMLResponse)
    def invite(
        request: Request, nonce: str = who, form: InviteForm = Depends(posted(InviteForm))
    ) -> Response:
        once = check(nonce, form.form)
        # The same form sent again makes the same invitations.
        name = f"invite {once} {form.count} {form.label!r}"
        secrets_of = [tokens.derive(f"{name} {n}")[:40] for n in range(form.count)]
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
    given, watched, rated = (dict.fromkeys(study.pool, 0) for _ in range(3))
    rows = []
    states = dict.fromkeys(("invited", "consented", "active", "finished", "declined"), 0)
    for found in everybody:
        person = found.participant
        states[person.state] += 1
        for assignment in found.assignments:
            given[assignment.subject_id] += 1
            watched[assignment.subject_id] += assignment.watched_at is not None
            rated[assignment.subject_id] += assignment.id in found.ratings
        times = [
            t for a in found.assignments for t in (a.beat_at, a.watched_at, a.rated_at) if t
        ] + [t for t in (person.started_at, person.finished_at) if t]
        rows.append(
            {
                "id": person.id,
                "label": person.label,
                "code": person.code,
                "group": person.group or "",
                "state": person.state,
                "done": sum(a.done for a in found.assignments),
                "recognised": sum(bool(a.recognised) for a in found.assignments),
                "failed": found.failed_checks(),
                "speed": max((a.speed for a in found.assignments), default=0.0),
                "clock": sum(a.watched_by == "clock" for a in found.assignments),
                "broken": sum(a.watched_by == "broken" for a in found.assignments),
                "seen": time.strftime("%d %b %H:%M", time.gmtime(max(times))) if times else "",
            }
        )
    return {
        "rows": rows,
        "states": states,
        "ratings": sum(len(r) for found in everybody for r in found.ratings.values()),
        "given": _span(given),
        "watched": _span(watched),
        "rated": _span(rated),
        "players": len(given),
        "closed": study.store.meta("state") == "closed",
        "exports": list(exports.TABLES),
    }


def _span(counts: Mapping[str, int]) -> str:
    least, most = min(counts.values(), default=0), max(counts.values(), default=0)
    return str(least) if least == most else f"{least} to {most}"

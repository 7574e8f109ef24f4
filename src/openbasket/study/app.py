"""The pages of a study: what participants see. The administration's are in ``admin``."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, create_model

from openbasket.errors import WorkspaceError
from openbasket.skills import BY_KEY, level_names
from openbasket.study import scoring
from openbasket.study.design import StudyDesign
from openbasket.study.security import (
    PARTICIPANT_S,
    FormFault,
    PostedForm,
    Tokens,
    posted,
    schema,
    set_cookie,
)
from openbasket.study.steps import Refused, View
from openbasket.study.store import Store
from openbasket.study.web import pages, web_app
from openbasket.web.media import video

__all__ = ["Study", "create_app"]

logger = logging.getLogger("openbasket.study")
COOKIE = "study"

#: What participants are told about the skills; (question, what it means).
QUESTIONS: dict[str, str] = {
    "free_throw": "How well does this player make free throws?",
    "two_point": "How well does this player make two-point shots?",
    "three_point": "How well does this player make three-point shots?",
    "contested_shots": "How well does this player make shots with a defender close?",
    "overall_shooting": "How well does this player shoot, all in all?",
    "rebounds": "How good is this player at rebounds?",
    "defensive_rebounds": "How good is this player at rebounds of the other team's shots?",
    "offensive_rebounds": "How good is this player at rebounds of the own team's shots?",
    "steals": "How good is this player at stealing the ball?",
    "fouls": "How well does this player avoid fouls?",
    "points_allowed": "How well does this player keep the other team from scoring?",
    "defensive_consistency": "How steady is this player's defence?",
    "assists": "How good is this player at passes that lead to a basket?",
    "passing_accuracy": "How safe are this player's passes?",
    "turnovers": "How well does this player keep the ball?",
    "contribution": "How much does this player add to what the own team does?",
    "offensive_consistency": "How steady is this player's offence?",
    "teamwork": "How well does this player play with the others?",
    "impact": "How much better is the own team with this player?",
    "efficiency": "How much does this player make of the chances there are?",
}


class ConsentForm(PostedForm):
    """Whether a participant agrees."""

    agree: Literal["yes", "no"]


class ExperienceForm(PostedForm):
    """Years of basketball."""

    watched: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    played: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class RecogniseForm(PostedForm):
    """Whether a participant knows the player."""

    recognised: Literal["yes", "no"]


class Beat(BaseModel):
    """A report of the video page."""

    model_config = ConfigDict(extra="forbid")
    form: Annotated[str, Field(min_length=1, max_length=500)]
    position: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    speed: Annotated[float, Field(ge=0, le=16, allow_inf_nan=False)]


class Study:
    """What the pages share.

    Args:
        store: with a pool of players.
        root: the dataset.
        public_url: how people reach the server; by default as they ask for it.
    """

    def __init__(self, store: Store, root: Path, public_url: str | None = None) -> None:
        if not store.prepared():
            raise WorkspaceError("the players of this study have not been drawn")
        self.store = store
        self.root = root
        self.public_url = public_url.rstrip("/") if public_url else None
        self.https = bool(public_url and public_url.startswith("https://"))
        self.design: StudyDesign = store.design
        self.pool = store.pool()
        self.tokens = Tokens(store.database.secret())
        self.levels = level_names(self.design.levels)
        self.page = pages(self.design)

    def person(self, request: Request) -> int | None:
        """Whose cookie this is."""
        content = self.tokens.take(COOKIE, request.cookies.get(COOKIE), PARTICIPANT_S)
        return content if isinstance(content, int) else None

    def form(self, participant_id: int, key: str) -> str:
        """The token of the form of a step."""
        return self.tokens.give("form", [participant_id, key])

    def key_of(self, participant_id: int, form: str, kind: str) -> str:
        """The step that a form answers.

        Raises:
            HTTPException: 403; it is nobody's, someone else's, or of another page.
        """
        content = self.tokens.take("form", form, PARTICIPANT_S)
        if not isinstance(content, list) or content[0] != participant_id:
            raise HTTPException(
                403, "This form is not yours. Please use your invitation link again."
            )
        key = str(content[1])
        if key.split("-")[0] != kind:
            raise HTTPException(403, "This form belongs to another page.")
        return key

    def show(self, view: View, *, status: int = 200, told: str = "", **values: Any) -> HTMLResponse:
        """The page of a participant's step."""
        step, person = view.step, view.participant
        closed = self.store.meta("state") == "closed"
        shown: dict[str, Any] = {
            "form": self.form(person.id, step.key),
            "told": told,
            "values": {},
            "session": step.session + 1,
        } | values
        if step.kind in ("watch", "recognise", "rate"):
            found = step.assignment
            assert found is not None
            shown |= {"player": found.position + 1, "assignment": found}
            shown["tired"] = view.active_s(time.time()) / 60 > self.design.break_after_min
            if step.kind == "watch":
                duration = self.pool[found.subject_id].duration_s
                if found.opened_at is None and not closed:
                    self.store.opened(found.id)
                shown |= {"duration": duration, "enough": duration * self.design.min_watched}
            if step.kind == "rate":
                order = json.loads(person.skill_order or "[]")
                shown["questions"] = [(key, BY_KEY[key].name, QUESTIONS[key]) for key in order]
                shown["levels"] = list(enumerate(self.levels))
        stopped = closed and step.kind not in ("finished", "declined")
        if step.kind in ("begin", "finished") or stopped:
            mine = scoring.answers(self.store, person.id)[0]
            shown["payment"] = scoring.payment(mine, self.pool, self.design)
            shown["code"] = person.code
        return self.page("closed.html" if stopped else f"{step.kind}.html", status, **shown)


def create_app(study: Study) -> FastAPI:
    """The web application of a study."""
    from openbasket.study import admin

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        logger.info("ready", extra={"facts": {"players": len(study.pool)}})
        yield
        study.store.database.close()
        logger.info("stopped")

    app = web_app(study.store.database, study.page, life, https=study.https,
                  public_url=study.public_url)  # fmt: skip
    app.state.study = study
    _participant(app, study)
    admin.register(app, study)
    _form_faults(app, study)
    return app


def _participant(app: FastAPI, study: Study) -> None:
    store = study.store
    skills: dict[str, Any] = {
        key: (Annotated[int, Field(ge=0, lt=study.design.levels)], ...)
        for key in study.design.skills
    }
    check: Any = (Annotated[int, Field(ge=0, lt=study.design.levels)] | None, None)
    rate_form: Any = create_model("RateForm", __base__=PostedForm, **skills, attention=check)

    def somebody(request: Request) -> int:
        person = study.person(request)
        if person is None:
            raise HTTPException(403, "Please open your invitation link again.")
        return person

    person_of = Depends(somebody)

    def onward() -> RedirectResponse:
        return RedirectResponse("/study", 303)

    @app.get("/", response_class=HTMLResponse)
    def start(request: Request) -> Response:
        if study.person(request) is not None:
            return onward()
        return study.page(
            "message.html",
            title=study.design.title,
            text="Please open the invitation link that you were sent.",
        )

    @app.get("/i/{token}", response_class=HTMLResponse)
    def invitation(token: str) -> Response:
        person = store.invited(token)
        if person is None:
            raise HTTPException(404, "This invitation is not known. Please check the link.")
        response = onward()
        cookie = study.tokens.give(COOKIE, person)
        set_cookie(response, COOKIE, cookie, PARTICIPANT_S, https=study.https)
        return response

    @app.get("/study", response_class=HTMLResponse)
    def present(person: int = person_of) -> Response:
        view = store.view(person)
        if view is None:
            raise HTTPException(403, "This invitation is not valid any more.")
        return study.show(view)

    def answer(person: int, form: str, kind: str, store_it: Any, *values: Any) -> Response:
        key = study.key_of(person, form, kind)
        try:
            store_it(person, key, *values)
        except Refused as refused:
            view = store.view(person)
            if view is None:
                raise HTTPException(403, str(refused)) from None
            return study.show(view, status=409, told=str(refused))
        return onward()

    @app.post("/study/consent", openapi_extra=schema(ConsentForm), response_class=HTMLResponse)
    def consent(
        person: int = person_of, form: ConsentForm = Depends(posted(ConsentForm))
    ) -> Response:
        return answer(person, form.form, "consent", store.consent, form.agree == "yes")

    @app.post(
        "/study/experience", openapi_extra=schema(ExperienceForm), response_class=HTMLResponse
    )
    def experience(
        person: int = person_of, form: ExperienceForm = Depends(posted(ExperienceForm))
    ) -> Response:
        return answer(person, form.form, "experience", store.experience, form.watched, form.played)

    @app.post("/study/begin", openapi_extra=schema(PostedForm), response_class=HTMLResponse)
    def begin(person: int = person_of, form: PostedForm = Depends(posted(PostedForm))) -> Response:
        return answer(person, form.form, "begin", store.begin)

    @app.post("/study/watched", openapi_extra=schema(PostedForm), response_class=HTMLResponse)
    def watched(
        person: int = person_of, form: PostedForm = Depends(posted(PostedForm))
    ) -> Response:
        return answer(person, form.form, "watch", store.watched)

    @app.post("/study/broken", openapi_extra=schema(PostedForm), response_class=HTMLResponse)
    def broken(person: int = person_of, form: PostedForm = Depends(posted(PostedForm))) -> Response:
        logger.warning("video does not play", extra={"facts": {"participant": person}})
        return answer(person, form.form, "watch", store.broken)

    @app.post("/study/recognise", openapi_extra=schema(RecogniseForm), response_class=HTMLResponse)
    def recognise(
        person: int = person_of, form: RecogniseForm = Depends(posted(RecogniseForm))
    ) -> Response:
        known = form.recognised == "yes"
        return answer(person, form.form, "recognise", store.recognise, known)

    @app.post("/study/rate", openapi_extra=schema(rate_form), response_class=HTMLResponse)
    def rate(person: int = person_of, form: Any = Depends(posted(rate_form))) -> Response:
        levels = {key: getattr(form, key) for key in study.design.skills}
        return answer(person, form.form, "rate", store.rate, levels, form.attention)

    @app.post("/study/beat")
    def beat(beat: Beat, person: int = person_of) -> JSONResponse:
        key = study.key_of(person, beat.form, "watch")
        view = store.view(person)
        if view is None or view.step.key != key or view.step.assignment is None:
            return JSONResponse({"reached": None}, 409)
        reached = store.beat(person, view.step.assignment.token, beat.position, beat.speed)
        return JSONResponse({"reached": reached})

    @app.head("/media/{token}", response_class=FileResponse, include_in_schema=False)
    @app.get("/media/{token}", response_class=FileResponse)
    def media(request: Request, token: str, person: int = person_of) -> Response:
        view = store.view(person)
        found = view.step.assignment if view else None
        if found is None or found.token != token:
            raise HTTPException(404, "There is no such video.")
        player = study.pool[found.subject_id]
        shown = video(study.root, player.video)
        if shown is None or player.size not in (None, Path(shown.path).stat().st_size):
            logger.error("video missing or another", extra={"facts": {"subject": found.subject_id}})
            raise HTTPException(404, "This video cannot be shown just now. Please tell us.")
        if request.method == "GET" and found.served_at is None:
            store.served(found.id)
        return shown


def _form_faults(app: FastAPI, study: Study) -> None:
    @app.exception_handler(FormFault)
    def form_fault(request: Request, error: FormFault) -> Response:
        person = study.person(request)
        view = study.store.view(person) if person is not None else None
        admin = request.url.path.startswith("/admin")
        if view is None or admin:
            return study.page(
                "message.html", 422, title="That did not work", text=str(error), admin=admin
            )
        return study.show(view, status=422, told=str(error), values=error.values)

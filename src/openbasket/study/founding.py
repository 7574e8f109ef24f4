"""Make a study from a dataset in the browser: what the server shows until there is one."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field, create_model

from openbasket.dataset.reader import read_splits
from openbasket.errors import BadInputError, OpenBasketError, Problem, WorkspaceError
from openbasket.skills import CATEGORIES, OFFICIAL_ORDER
from openbasket.study.app import Study, create_app
from openbasket.study.checking import check
from openbasket.study.database import Database
from openbasket.study.design import Pay, StudyDesign, load_design
from openbasket.study.door import Door
from openbasket.study.security import (
    FormFault,
    PostedForm,
    Tokens,
    posted,
    schema,
)
from openbasket.study.store import Store
from openbasket.study.web import pages, web_app
from openbasket.study.writing import create
from openbasket.web.guard import App, Receive, Scope, Send
from openbasket.wording import counted

__all__ = ["Founding"]

logger = logging.getLogger("openbasket.study")

_NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROL)]
Paragraphs = Annotated[
    str, Field(min_length=1, max_length=20_000, pattern=r"^[^\x00-\x09\x0b\x0c\x0e-\x1f\x7f]*$")
]
Number = Annotated[int, Field(ge=0, le=10_000)]
Money = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class _Settings(PostedForm):
    title: Line
    contact: Line
    consent: Paragraphs
    where: Annotated[str, Field(min_length=1, max_length=300)]
    levels: Literal["3", "5"]
    players: Number
    sessions: Number
    pool: Annotated[str, Field(pattern=r"^\d{0,5}$")] = ""
    checks: Literal["yes"] | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    base: Money
    bonus: Money
    threshold: Share


_boxes: dict[str, Any] = {
    f"skill_{skill.key}": (Literal["yes"] | None, None) for skill in OFFICIAL_ORDER
}
SettingsForm: Any = create_model("SettingsForm", __base__=_Settings, **_boxes)


class Founding:
    """Serves the form that makes a study; once it is made, the study.

    Args:
        url: of the study's database.
        file: the study file to write.
        root: the dataset.
        public_url: how people reach the server; by default as they ask for it.

    Raises:
        OpenBasketError: dataset or database cannot be opened.
        BadInputError: no split has subjects.
        WorkspaceError: the database holds a study already.
    """

    def __init__(self, url: str, file: Path, root: Path, public_url: str | None = None) -> None:
        self.file, self.root, self.public_url = file, root, public_url
        self.places = _places(root)
        self.database = Database(url)
        if self.database.meta("design") is not None:
            self.database.close()
            raise WorkspaceError(
                f"the database holds a study already, but its file '{file}' is not there. Put the file "
                "back, or give another database or file"
            )
        self.page = pages(SimpleNamespace(title="A new study", contact="the study's team"))
        self.https = bool(public_url and public_url.startswith("https://"))
        self.door = Door(self.database, Tokens(self.database.secret()), self.page, https=self.https)
        self.one_at_a_time = threading.Lock()
        self.form: App = self._app()
        self.study: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await (self.study or self.form)(scope, receive, send)

    def _app(self) -> FastAPI:
        @asynccontextmanager
        async def life(_: FastAPI) -> AsyncIterator[None]:
            logger.info("waiting for a study")
            yield
            self.database.close()
            logger.info("stopped")

        app = web_app(self.database, self.page, life, https=self.https,
                      public_url=self.public_url)  # fmt: skip
        self.door.register(app)
        who = Depends(self.door.administrator)

        @app.get("/admin", response_class=HTMLResponse)
        def form(nonce: str = who) -> Response:
            return self._show(nonce, _first_values(self.places))

        @app.post("/admin/create", openapi_extra=schema(SettingsForm), response_class=HTMLResponse)
        def make(nonce: str = who, form: Any = Depends(posted(SettingsForm))) -> Response:
            self.door.check(nonce, form.form)
            try:
                self._make(form)
            except OpenBasketError as error:
                values = form.model_dump(exclude={"form"}, exclude_none=True)
                return self._show(nonce, values, 422, told=str(error))
            return RedirectResponse("/admin", 303)

        @app.get("/{path:path}", include_in_schema=False)
        def closed() -> Response:
            raise HTTPException(404, "There is no study here yet. Its team makes it at /admin.")

        @app.exception_handler(FormFault)
        def form_fault(request: Request, error: FormFault) -> Response:
            try:
                nonce = self.door.administrator(request)
            except HTTPException:
                return self.page("message.html", 422, title="That did not work", text=str(error))
            if not error.values.keys() & {"where", "title"}:
                return self.page("message.html", 422, title="That did not work", text=str(error))
            return self._show(nonce, error.values, 422, told=str(error))

        return app

    def _show(
        self, nonce: str, values: dict[str, Any], status: int = 200, told: str = ""
    ) -> HTMLResponse:
        return self.page(
            "admin/create.html",
            status,
            form=self.door.give(nonce),
            told=told,
            values=defaultdict(str, values),
            places=self.places,
            categories={
                category: [skill for skill in OFFICIAL_ORDER if skill.category == category]
                for category in CATEGORIES
            },
        )

    def _make(self, form: Any) -> None:
        place = next((p for p in self.places if p["value"] == form.where), None)
        if place is None:
            raise _fault(self.root, form.where, "one of the leagues and seasons in the list")
        settings = {
            "title": form.title,
            "contact": form.contact,
            "consent": [line.strip() for line in form.consent.splitlines() if line.strip()],
            "split": place["split"],
            "league": place["league"],
            "season": place["season"],
            "levels": int(form.levels),
            "skills": [s.key for s in OFFICIAL_ORDER if getattr(form, f"skill_{s.key}")],
            "players": form.players,
            "sessions": form.sessions,
            **({"pool": int(form.pool)} if form.pool else {}),
            "attention_checks": form.checks is not None,
            "pay": {
                "currency": form.currency,
                "base": form.base,
                "bonus": form.bonus,
                "threshold": form.threshold / 100,
            },
        }
        with self.one_at_a_time:
            if self.study is not None:
                return
            players = create(self.file, self.root, settings)
            try:
                store = Store(self.database, load_design(self.file))
                store.prepare(players)
                check(self.database, store.design, self.root, self.file)
                self.study = create_app(Study(store, self.root, self.public_url))
            except BaseException:
                self.file.unlink(missing_ok=True)
                raise
        logger.info("study made", extra={"facts": {"players": len(players)}})


def _places(root: Path) -> list[dict[str, str]]:
    """Where players may come from: each league and season of each split, those of the test split first."""
    found = []
    for split, samples in sorted(read_splits(root), key=lambda pair: pair[0] != "test"):
        counts = Counter((sample.league, sample.season) for sample in samples)
        for (league, season), count in sorted(counts.items()):
            found.append(
                {
                    "value": f"{split}/{league}/{season}",
                    "split": split,
                    "league": league,
                    "season": season,
                    "text": f"{league} {season}, split '{split}': {counted(count, 'player')}",
                }
            )
    if not found:
        raise _fault(root, "no player in any split", "a dataset with labels")
    return found


def _fault(root: Path, given: str, allowed: str) -> BadInputError:
    return BadInputError([Problem(str(root), None, "league, season", given, allowed)])


def _first_values(places: list[dict[str, str]]) -> dict[str, Any]:
    """The paper's study, for the form."""
    design = StudyDesign(dataset=".", league="-", season="-")
    pay = Pay()
    return {
        "title": design.title,
        "contact": design.contact,
        "consent": "\n\n".join(design.consent),
        "where": places[0]["value"],
        "levels": str(design.levels),
        "players": design.players,
        "sessions": design.sessions,
        "pool": "",
        "checks": "yes",
        "currency": pay.currency,
        "base": f"{pay.base:g}",
        "bonus": f"{pay.bonus:g}",
        "threshold": f"{100 * pay.threshold:g}",
        **{f"skill_{key}": "yes" for key in design.skills},
    }

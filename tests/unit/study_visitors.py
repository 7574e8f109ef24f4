"""People at the study's pages, without a browser."""

from __future__ import annotations

import html
import re
import time
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from study_studies import dataset, design, unhurried

from openbasket.study.app import Study, create_app
from openbasket.study.design import draw_players
from openbasket.study.models import Assignment
from openbasket.study.security import hash_password
from openbasket.study.store import Store

PASSWORD = "correct horse battery"
_TOKEN = re.compile(r'name="form" value="([^"]+)"')


def study_of(folder: Path, root: Path | None = None, **changes: Any) -> Study:
    """A study with real videos."""
    root = root or dataset(folder / "ws")
    settings = design(**changes)
    store = Store(unhurried(folder / "study.toml"), settings)
    store.prepare(draw_players(settings, root))
    store.set_meta("password", hash_password(PASSWORD))
    return Study(store, root)


class Visitor:
    """A participant with a browser's cookies.

    Args:
        study: whose pages.
        token: of an invitation; a fresh one by default, empty for a stranger.
    """

    def __init__(self, study: Study, token: str | None = None) -> None:
        self.study = study
        self.client = TestClient(create_app(study), raise_server_exceptions=False)
        self.id = None
        if token is None:
            [(self.id, token)] = study.store.invite(1)
        self.token = token
        if token:
            assert self.client.get(f"/i/{token}").status_code == 200

    def page(self) -> str:
        answer = self.client.get("/study")
        assert answer.status_code == 200, answer.text
        return answer.text

    def form(self, page: str | None = None) -> str:
        return html.unescape(_TOKEN.search(page or self.page())[1])

    def post(self, name: str, form: str | None = None, **values: Any):
        data = {"form": form or self.form(), **values}
        return self.client.post(f"/study/{name}", data=data, follow_redirects=False)

    def step(self) -> Any:
        return self.study.store.view(self.id).step

    def to(self, kind: str) -> Visitor:
        """Go on until a page of this kind is shown."""
        while self.step().kind != kind:
            self.onward()
        return self

    def onward(self, level: int = 1, recognised: str = "no") -> None:
        step = self.step()
        match step.kind:
            case "consent":
                answer = self.post("consent", agree="yes")
            case "experience":
                answer = self.post("experience", watched="4", played="0")
            case "begin":
                answer = self.post("begin")
            case "watch":
                self.watch()
                answer = self.post("watched")
            case "recognise":
                answer = self.post("recognise", recognised=recognised)
            case "rate":
                answer = self.post("rate", **self.ratings(level))
            case other:
                raise AssertionError(other)
        assert answer.status_code == 303, answer.text

    def watch(self) -> None:
        """Have opened the video a minute ago, and played it."""
        form = self.form()
        found = self.step().assignment
        with self.study.store.database.write() as session:
            session.get_one(Assignment, found.id).opened_at = time.time() - 60
        assert self.client.get(f"/media/{found.token}").status_code == 200
        beat = {"form": form, "position": 2.0, "speed": 1.0}
        answer = self.client.post("/study/beat", json=beat)
        assert answer.json() == {"reached": 2.0}

    def ratings(self, level: int) -> dict[str, int]:
        check = self.step().assignment.check_level
        said = dict.fromkeys(self.study.design.skills, level)
        return said if check is None else said | {"attention": check}


class Administrator:
    """Somebody who has logged in."""

    def __init__(self, study: Study, password: str = PASSWORD) -> None:
        self.client = TestClient(create_app(study), raise_server_exceptions=False)
        self.answer = self.log_in(password)

    def log_in(self, password: str):
        form = html.unescape(_TOKEN.search(self.client.get("/admin/login").text)[1])
        data = {"form": form, "password": password}
        return self.client.post("/admin/login", data=data, follow_redirects=False)

    def form(self) -> str:
        return html.unescape(_TOKEN.search(self.client.get("/admin").text)[1])

    def post(self, name: str, **values: Any):
        data = {"form": self.form(), **values}
        return self.client.post(f"/admin/{name}", data=data, follow_redirects=False)

"""Study: made in the browser from a dataset."""

from __future__ import annotations

import html
import re
import threading

import pytest
from fastapi.testclient import TestClient
from study_studies import LEAGUE, SEASON, dataset, unhurried
from study_visitors import PASSWORD

from openbasket.errors import BadInputError, WorkspaceError
from openbasket.skills import SKILL_KEYS
from openbasket.study.design import load_design
from openbasket.study.founding import Founding
from openbasket.study.opening import open_store
from openbasket.study.serving import set_password

_TOKEN = re.compile(r'name="form" value="([^"]+)"')


@pytest.fixture
def founding(tmp_path):
    root = dataset(tmp_path / "ws")
    unhurried(tmp_path / "study.toml").close()
    made = Founding(f"sqlite:///{tmp_path}/study.sqlite", tmp_path / "study.toml", root)
    set_password(made.database, PASSWORD)
    yield made
    made.database.close()


@pytest.fixture
def admin(founding):
    client = TestClient(founding, raise_server_exceptions=False)
    data = {"form": token(client.get("/admin/login").text), "password": PASSWORD}
    assert client.post("/admin/login", data=data).url.path == "/admin"
    return client


def token(page: str) -> str:
    return html.unescape(_TOKEN.search(page)[1])


def filled_in(page: str) -> dict[str, str]:
    """What the form's fields hold, as a browser would send them."""
    values = {"form": token(page)}
    for tag in re.findall(r"<input[^>]*>", page):
        name = re.search(r'name="([^"]+)"', tag)[1]
        if 'type="checkbox"' in tag and " checked" not in tag:
            continue
        values[name] = html.unescape(re.search(r'value="([^"]*)"', tag)[1])
    for select in re.findall(r"<select.*?</select>", page, re.DOTALL):
        chosen = re.search(r'value="([^"]+)" selected', select)[1]
        values[re.search(r'name="([^"]+)"', select)[1]] = html.unescape(chosen)
    values["consent"] = html.unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.S)[1])
    return values


def test_the_form_as_it_is_makes_the_study_of_the_paper(founding, admin, tmp_path):
    page = admin.get("/admin").text
    answer = admin.post("/admin/create", data=filled_in(page))
    assert answer.url.path == "/admin"
    assert "<h1>Progress</h1>" in answer.text, "the log-in holds, and the study is served"
    design = load_design(tmp_path / "study.toml")
    assert (design.league, design.season, design.levels) == (LEAGUE, SEASON, 3)
    assert (design.players, design.sessions, len(design.skills)) == (5, 3, 5)
    assert design.attention_checks
    links = admin.post("/admin/invite", data={"form": token(answer.text), "count": "1"}).text
    link = re.search(r"http://testserver(/i/[\w-]+)", links)[1]
    assert "<h1>" in admin.get(link).text
    again = open_store(tmp_path / "study.toml")
    assert len(again.pool()) == 18
    again.database.close()


def test_all_that_can_be_set_is_set(admin, tmp_path):
    values = filled_in(admin.get("/admin").text)
    values = {name: v for name, v in values.items() if not name.startswith("skill_")}
    values |= {f"skill_{key}": "yes" for key in SKILL_KEYS}
    values |= {
        "title": 'Ratings "of" ünknown <players>',
        "contact": "a@b.example",
        "consent": "One.\r\n\r\n Two. ",
        "players": "2",
        "sessions": "1",
        "pool": "12",
        "currency": "EUR",
        "base": "7.5",
        "bonus": "0",
        "threshold": "50",
    }
    del values["checks"]
    assert "&lt;players&gt;" in admin.post("/admin/create", data=values).text
    design = load_design(tmp_path / "study.toml")
    assert design.title == 'Ratings "of" ünknown <players>'
    assert design.consent == ["One.", "Two."]
    assert (design.players, design.sessions, design.pool) == (2, 1, 12)
    assert len(design.skills) == 20
    assert not design.attention_checks
    pay = design.pay
    assert (pay.currency, pay.base, pay.bonus, pay.threshold) == ("EUR", 7.5, 0.0, 0.5)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"players": "9", "sessions": "9"}, "81 players of secret-league 18-19"),
        ({"pool": "3"}, "at least 15"),
        ({"players": "0"}, "allowed: 1 or more"),
        ({"where": "test/other/18-19"}, "one of the leagues and seasons in the list"),
        ({"levels": "5"}, "labels of 3 levels"),
        ({"levels": "4"}, "fill in every field"),
        ({"title": "a\x01b"}, "fill in every field"),
        ({"consent": "x" * 2001}, "at most 2000"),
        ({"threshold": "inf"}, "fill in every field"),
        ({"extra": "1"}, "fill in every field"),
        ({"skill_steals": None, "skill_rebounds": None, "skill_assists": None,
          "skill_overall_shooting": None, "skill_efficiency": None}, "allowed: at least 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_and_the_form_keeps_what_was_said(admin, tmp_path, changes, told):
    values = filled_in(admin.get("/admin").text) | {"contact": "the lab of N."} | changes
    answer = admin.post("/admin/create", data={n: v for n, v in values.items() if v is not None})
    assert answer.status_code == 422
    assert told in html.unescape(answer.text)
    assert 'value="the lab of N."' in answer.text
    assert not (tmp_path / "study.toml").exists()


def test_without_a_log_in_nothing_is_shown_or_made(founding, tmp_path):
    stranger = TestClient(founding, raise_server_exceptions=False)
    assert stranger.get("/admin").url.path == "/admin/login"
    sent = stranger.post("/admin/create", data={"form": "x"}, follow_redirects=False)
    assert sent.status_code in (303, 422)
    assert stranger.get("/study").status_code == 404
    assert "no study here yet" in stranger.get("/i/abc").text
    assert stranger.get("/healthz").json() == {"status": "ok"}
    assert LEAGUE not in stranger.get("/admin/login").text
    assert not (tmp_path / "study.toml").exists()


def test_a_form_of_another_log_in_makes_nothing(admin, founding, tmp_path):
    other = TestClient(founding, raise_server_exceptions=False)
    data = {"form": token(other.get("/admin/login").text), "password": PASSWORD}
    other.post("/admin/login", data=data)
    values = filled_in(other.get("/admin").text)
    assert admin.post("/admin/create", data=values).status_code == 403
    crossed = admin.post(
        "/admin/create",
        data=filled_in(admin.get("/admin").text),
        headers={"origin": "https://evil.example"},
    )
    assert crossed.status_code == 403
    assert not (tmp_path / "study.toml").exists()


def test_two_clicks_make_one_study(admin, tmp_path):
    values = filled_in(admin.get("/admin").text)
    answers = []

    def click():
        answers.append(admin.post("/admin/create", data=values, follow_redirects=False))

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The second may meet the study itself, which has no such form any more.
    assert sorted(answer.status_code for answer in answers) in ([303, 303], [303, 404], [303, 405])
    assert "<h1>Progress</h1>" in admin.get("/admin").text


def test_a_database_of_another_study_is_refused(admin, founding, tmp_path):
    admin.post("/admin/create", data=filled_in(admin.get("/admin").text))
    (tmp_path / "study.toml").unlink()
    with pytest.raises(WorkspaceError, match="holds a study already"):
        Founding(f"sqlite:///{tmp_path}/study.sqlite", tmp_path / "study.toml", tmp_path / "ws")


def test_a_study_that_cannot_be_stored_leaves_no_file(admin, monkeypatch, tmp_path):
    values = filled_in(admin.get("/admin").text)

    def fail(*_):
        raise WorkspaceError("the disk is full")

    monkeypatch.setattr("openbasket.study.founding.Store.prepare", fail)
    answer = admin.post("/admin/create", data=values)
    assert "the disk is full" in answer.text
    assert not (tmp_path / "study.toml").exists()


def test_the_same_password_given_again_ends_no_session(founding, admin):
    set_password(founding.database, PASSWORD)
    assert admin.get("/admin").url.path == "/admin"
    set_password(founding.database, PASSWORD + "!")
    assert admin.get("/admin").url.path == "/admin/login"


def test_a_dataset_without_players_is_refused_at_once(tmp_path):
    root = dataset(tmp_path / "ws")
    file = root / "BASKET_Labels" / "BASKET" / "test.csv"
    file.write_text(file.read_text().splitlines()[0] + "\n")
    with pytest.raises(BadInputError, match="no player in any split"):
        Founding(f"sqlite:///{tmp_path}/study.sqlite", tmp_path / "study.toml", root)
    assert not (tmp_path / "study.sqlite").exists()

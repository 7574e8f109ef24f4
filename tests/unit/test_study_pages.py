"""Study: the pages of participants and of the administration."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import time
from dataclasses import replace

import polars as pl
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text
from study_studies import LEAGUE, SKILLS, dataset
from study_visitors import PASSWORD, Administrator, Visitor, study_of

from openbasket.study.app import Study, create_app
from openbasket.study.checking import check
from openbasket.study.models import Form, Participant, Rating
from openbasket.web.guard import JsonLines


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("basket") / "ws")


@pytest.fixture
def study(tmp_path, root):
    made = study_of(tmp_path, root, players=2, sessions=2, attention_checks=True)
    yield made
    made.store.database.close()


def count(study, table) -> int:
    with study.store.database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


# -- participants -----------------------------------------------------------------------------


def test_a_participant_goes_from_the_invitation_to_code_and_pay(study):
    visitor = Visitor(study)
    assert "I agree to take part" in visitor.page()
    visitor.to("begin")
    assert "How it works" in visitor.page()
    visitor.onward()
    visitor.to("begin")
    assert "Time for a break" in visitor.page()
    visitor.to("finished")
    page = visitor.page()
    code = study.store.view(visitor.id).participant.code
    assert code in page
    assert "20.00" in page
    assert count(study, Rating) == 2 * 2 * 5


def test_nothing_that_a_participant_gets_names_league_or_player(study):
    visitor = Visitor(study)
    seen = []
    while visitor.step().kind != "finished":
        answer = visitor.client.get("/study")
        seen.append(answer.text + repr(answer.headers))
        if visitor.step().assignment is not None:
            media = visitor.client.get(f"/media/{visitor.step().assignment.token}")
            assert media.status_code == 200
            seen.append(repr(media.headers) + media.content.decode("latin-1"))
        visitor.onward()
    seen.append(visitor.page())
    assert len(seen) > 15
    for content in seen:
        for secret in (LEAGUE, "famous", "18-19", "18_19", "BASKET", ".mp4"):
            assert secret not in content


def test_who_cannot_play_a_video_goes_on_without_that_player(study):
    visitor = Visitor(study).to("watch")
    assert "does not play" in visitor.page()
    first = visitor.step().assignment.id
    assert visitor.post("broken").status_code == 303
    assert visitor.step().assignment.id != first
    assert "did not play" in Administrator(study).client.get("/admin").text
    visitor.to("finished")
    assert "20.00" in visitor.page()


def test_a_video_that_changes_under_the_server_is_not_sent(tmp_path):
    root = dataset(tmp_path / "ws")
    study = study_of(tmp_path, root, players=2, sessions=2)
    check(study.store.database, study.design, root, tmp_path / "study.toml")
    study = Study(study.store, root)
    visitor = Visitor(study).to("watch")
    found = visitor.step().assignment
    url = f"/media/{found.token}"
    assert visitor.client.get(url).status_code == 200
    with (root / study.pool[found.subject_id].video).open("ab") as video:
        video.write(b"x")
    assert visitor.client.get(url).status_code == 404


def test_a_closed_study_shows_code_and_pay_to_whom_something_is_owed(study):
    owed, other = Visitor(study), Visitor(study).to("watch")
    owed.to("watch")
    while owed.step().kind != "begin":
        owed.onward()
    code = study.store.view(owed.id).participant.code
    assert code in owed.page(), "on the page of the break"
    study.store.set_meta("state", "closed")
    page = owed.page()
    assert "The study is closed" in page
    assert code in page
    assert "10.00" in page
    assert study.store.view(other.id).participant.code not in other.page()
    assert "The study is closed" in other.page()


def test_an_invitation_that_is_changed_and_sent_again_is_another(study):
    admin = Administrator(study)
    form = admin.form()
    links = [
        set(re.findall(r"/i/[\w-]+", admin.client.post("/admin/invite", data=data).text))
        for data in (
            {"form": form, "count": 1, "label": "Ann"},
            {"form": form, "count": 1, "label": "Ann"},
            {"form": form, "count": 1, "label": "Bob"},
            {"form": form, "count": 2, "label": "Ann"},
        )
    ]
    assert links[0] == links[1]
    assert len(set.union(*links)) == 4


def test_what_people_said_is_not_logged_when_the_database_fails(study, monkeypatch, caplog):
    visitor = Visitor(study).to("experience")
    form = visitor.form()
    with study.store.database.write() as session:
        session.execute(text("CREATE TRIGGER no BEFORE UPDATE ON participants "
                             "BEGIN SELECT RAISE(ABORT, 'full'); END"))  # fmt: skip
    answer = visitor.post("experience", form, watched="41.25", played="3")
    assert answer.status_code == 503
    assert "full" in caplog.text
    assert "41.25" not in caplog.text


def test_a_clock_that_is_put_back_ends_no_session(study, monkeypatch):
    visitor = Visitor(study)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now - 120)
    assert visitor.client.get("/study").status_code == 200


def test_a_break_is_advised_after_work_not_after_a_night(study):
    visitor = Visitor(study).to("watch")
    view = study.store.view(visitor.id)
    now = time.time()
    found = view.step.assignment
    old = replace(view, session_began_at=now - 40_000)
    found.opened_at = now - 120
    assert old.active_s(now) == pytest.approx(120)
    busy = [now - 400 * n for n in range(1, 10)]
    found.opened_at, found.beat_at, found.watched_at, found.rated_at = busy[:4]
    assert replace(view, session_began_at=now - 2000).active_s(now) == pytest.approx(2000)


def test_with_a_public_url_other_hosts_are_refused(study):
    study.public_url = "https://study.example.org"
    client = TestClient(create_app(study), base_url="https://study.example.org")
    assert client.get("/").status_code == 200
    answer = client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert answer.headers["x-frame-options"] == "DENY"
    assert client.get("/healthz", headers={"host": "127.0.0.1:8000"}).status_code == 200


def test_faults_of_the_administration_lead_back_to_it(study):
    answer = Administrator(study).post("forget", participant=1, again=2)
    assert answer.status_code == 422
    assert 'href="/admin"' in answer.text
    assert "Questions? Ask" not in answer.text


def test_a_reload_a_second_tab_and_a_double_click_store_nothing_twice(study):
    visitor = Visitor(study).to("rate")
    first = visitor.page()
    assert visitor.form(first)
    form, values = visitor.form(first), visitor.ratings(2)
    assert visitor.post("rate", form, **values).status_code == 303
    assert visitor.post("rate", form, **values).status_code == 303
    assert visitor.post("rate", form, **visitor_values(values, 0)).status_code == 303
    with study.store.database.read() as session:
        assert session.scalars(select(Rating.level)).all() == [2] * 5
    assert visitor.step().kind == "watch"


def visitor_values(values, level):
    return values | dict.fromkeys(SKILLS, level)


def test_a_form_of_a_step_that_is_over_leads_to_the_present_one(study):
    visitor = Visitor(study)
    old = visitor.form()
    visitor.to("watch")
    answer = visitor.post("consent", old, agree="no")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/study"
    assert visitor.step().kind == "watch"


def test_another_browser_goes_on_where_the_first_was(study):
    visitor = Visitor(study).to("recognise")
    again = Visitor(study, visitor.token)
    assert "Do you recognise this player?" in again.page()


def test_half_filled_forms_keep_what_was_filled_in(study):
    visitor = Visitor(study).to("rate")
    values = visitor.ratings(2)
    del values["rebounds"]
    answer = visitor.post("rate", **values)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert answer.text.count(" checked") >= 4
    assert count(study, Rating) == 0
    visitor.to("rate")
    assert visitor.post("rate", **visitor.ratings(0)).status_code == 303


def test_a_video_that_was_not_watched_is_asked_for_again(study):
    visitor = Visitor(study).to("watch")
    answer = visitor.post("watched")
    assert answer.status_code == 409
    assert "seconds are left" in answer.text


def test_who_declines_is_thanked_and_asked_no_more(study):
    visitor = Visitor(study)
    visitor.post("consent", agree="no")
    assert "That is fine" in visitor.page()
    assert count(study, Participant) == 1


def test_who_recognises_a_player_goes_on_to_the_next(study):
    visitor = Visitor(study).to("recognise")
    visitor.onward(recognised="yes")
    assert "player 2 of 2" in visitor.page()
    assert count(study, Rating) == 0


def test_the_order_of_the_questions_is_the_participant_s(study):
    orders = []
    for _ in range(2):
        visitor = Visitor(study).to("rate")
        shown = re.findall(r'type="radio" name="(\w+)"', visitor.page())
        orders.append([name for name in dict.fromkeys(shown) if name != "attention"])
        told = json.loads(study.store.view(visitor.id).participant.skill_order)
        assert orders[-1] == told
    assert orders[0] != orders[1]


def test_a_break_is_advised_after_a_while(tmp_path, root, monkeypatch):
    monkeypatch.setattr("openbasket.study.steps._BREAK_S", 7200.0)
    study = study_of(tmp_path, root, players=2, sessions=1)
    visitor = Visitor(study).to("recognise")
    assert "A short break" not in visitor.page()
    with study.store.database.write() as session:
        session.get_one(Form, (visitor.id, "begin-0")).at -= 3600
    assert "A short break" in visitor.page()


# -- videos -----------------------------------------------------------------------------------


def test_videos_come_in_ranges(study):
    visitor = Visitor(study).to("watch")
    url = f"/media/{visitor.step().assignment.token}"
    whole = visitor.client.get(url)
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "video/mp4"
    size = len(whole.content)
    for asked, body in (
        ("bytes=0-99", whole.content[:100]),
        ("bytes=100-", whole.content[100:]),
        ("bytes=-50", whole.content[-50:]),
    ):
        part = visitor.client.get(url, headers={"range": asked})
        assert part.status_code == 206
        assert part.content == body
        assert part.headers["content-range"].endswith(f"/{size}")
    beyond = visitor.client.get(url, headers={"range": f"bytes={size}-"})
    assert beyond.status_code == 416
    head = visitor.client.head(url)
    assert head.headers["content-length"] == str(size)
    assert head.content == b""


def test_only_the_present_video_of_this_participant_is_served(study):
    visitor, other = Visitor(study).to("watch"), Visitor(study).to("watch")
    tokens = [a.token for a in study.store.view(visitor.id).assignments]
    served = [visitor.client.get(f"/media/{token}").status_code for token in tokens]
    assert served == [200, 404, 404, 404]
    assert other.client.get(f"/media/{tokens[0]}").status_code == 404
    stranger = Visitor(study, "")
    assert stranger.client.get(f"/media/{tokens[0]}").status_code == 403


def test_a_video_that_has_gone_missing_is_told_and_logged(tmp_path, caplog):
    study = study_of(tmp_path, players=2, sessions=1)
    visitor = Visitor(study).to("watch")
    for video in study.root.rglob("*.mp4"):
        video.unlink()
    with caplog.at_level(logging.ERROR, "openbasket.study"):
        answer = visitor.client.get(f"/media/{visitor.step().assignment.token}")
    assert answer.status_code == 404
    assert "famous" not in answer.text
    assert "video missing" in caplog.text


# -- the administration -----------------------------------------------------------------------


def test_the_overview_shows_who_is_where(study):
    Visitor(study).to("finished")
    Visitor(study).to("watch")
    page = Administrator(study).client.get("/admin").text
    assert "20 ratings" in page
    assert "1 active, 1 finished" in page
    assert "4 of 4" in page


def test_invitations_work_and_the_same_form_makes_no_more(study):
    admin = Administrator(study)
    form = admin.form()
    pages = [
        admin.client.post("/admin/invite", data={"form": form, "count": 3, "label": "club"}).text
        for _ in range(2)
    ]
    links = [re.findall(r"http://testserver/i/(\w+)", page) for page in pages]
    assert links[0] == links[1]
    assert len(set(links[0])) == 3
    assert count(study, Participant) == 3
    assert "I agree" in Visitor(study, links[0][1]).page()


def test_exports_are_those_who_answered(study):
    visitor = Visitor(study).to("rate")
    visitor.onward(level=2)
    admin = Administrator(study)
    rows = pl.read_csv(io.StringIO(admin.client.get("/admin/export/ratings.csv").text))
    assert rows.height == 5
    assert set(rows["level"]) == {2}
    machine = pl.read_parquet(io.BytesIO(admin.client.get("/admin/export/ratings.parquet").content))
    assert machine["subject_id"].to_list() == rows["subject_id"].to_list()
    for name in ("participants.csv", "participants.parquet", "pay.csv", "pay.parquet"):
        assert admin.client.get(f"/admin/export/{name}").status_code == 200
    assert admin.client.get("/admin/export/meta.csv").status_code == 404


def test_the_pay_list_has_base_and_bonus(tmp_path, root):
    study = study_of(tmp_path, root, players=2, sessions=2)
    visitor = Visitor(study)
    while visitor.step().kind != "finished":
        step = visitor.step()
        if step.kind != "rate":
            visitor.onward()
            continue
        truth = study.pool[step.assignment.subject_id].levels
        right = visitor.ratings(0) | (truth if step.session == 0 else {})
        if step.session == 1:
            right |= {skill: (level + 1) % 3 for skill, level in truth.items()}
        assert visitor.post("rate", **right).status_code == 303
    text = Administrator(study).client.get("/admin/export/pay.csv").text
    [row] = pl.read_csv(io.StringIO(text)).to_dicts()
    assert (row["sessions"], row["bonuses"]) == (2, 1)
    assert (row["base"], row["bonus"], row["total"]) == (20.0, 5.0, 25.0)
    page = visitor.page()
    assert row["code"] in page
    assert "25.00" in page


def test_a_study_is_closed_and_opened_again(study):
    visitor, admin = Visitor(study).to("begin"), Administrator(study)
    assert admin.post("state", state="closed").status_code == 303
    assert "The study is closed" in visitor.page()
    admin.post("state", state="open")
    assert "How it works" in visitor.page()


def test_a_participant_is_deleted_on_request(study):
    visitor, admin = Visitor(study).to("finished"), Administrator(study)
    assert admin.post("forget", participant=visitor.id, again=visitor.id + 1).status_code == 422
    assert count(study, Rating) == 20
    assert admin.post("forget", participant=visitor.id, again=visitor.id).status_code == 303
    assert (count(study, Rating), count(study, Participant)) == (0, 0)
    assert visitor.client.get("/study").status_code == 403
    assert admin.post("forget", participant=visitor.id, again=visitor.id).status_code == 404
    # Nobody gets the number, and with it the cookie, of who was deleted.
    assert Visitor(study).id > visitor.id


def test_logging_out_makes_every_cookie_void(study):
    first, second = Administrator(study), Administrator(study)
    first.post("logout")
    assert second.client.get("/admin", follow_redirects=False).status_code == 303
    assert Administrator(study, PASSWORD).answer.status_code == 303


# -- running ----------------------------------------------------------------------------------


def test_health_is_told(study):
    stranger = Visitor(study, "")
    assert stranger.client.get("/healthz").json() == {"status": "ok"}
    study.store.database.engine.dispose()
    study.store.database.engine.connect = None
    study.store.database.read = broken
    assert stranger.client.get("/healthz").status_code == 503


def broken():
    from sqlalchemy.exc import OperationalError

    raise OperationalError("SELECT 1", {}, Exception("gone"))


def test_a_database_that_is_gone_is_told_without_details(study):
    visitor = Visitor(study)
    study.store.database.read = broken
    answer = visitor.client.get("/study")
    assert answer.status_code == 503
    assert "SELECT" not in answer.text


def test_logs_are_lines_of_json_without_secrets(study, caplog):
    visitor = Visitor(study)
    with caplog.at_level(logging.INFO, "openbasket.study"):
        visitor.client.get(f"/i/{visitor.token}")
    lines = [JsonLines().format(record) for record in caplog.records]
    found = [json.loads(line) for line in lines]
    assert {"GET"} == {row["method"] for row in found if row["event"] == "request"}
    assert any(row.get("route") == "/i/{token}" and row["status"] == 303 for row in found)
    assert visitor.token not in "".join(lines)


def test_many_participants_at_once_are_all_stored(study):
    visitors = [Visitor(study) for _ in range(6)]
    faults = []

    def go(visitor):
        try:
            visitor.to("finished")
        except Exception as error:  # noqa: BLE001
            faults.append(error)

    threads = [threading.Thread(target=go, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert count(study, Rating) == 6 * 20


def test_the_overview_tells_given_watched_and_rated_apart(study):
    Visitor(study).to("recognise")
    page = Administrator(study).client.get("/admin").text
    assert "was given to 0 to 1, watched by 0 to 1 and rated by 0 participants" in page


def test_the_way_on_says_why_it_is_closed(study):
    page = Visitor(study).to("watch").page()
    assert 'aria-describedby="why"' in page
    assert "opens once you have watched the video" in page

"""Study: what people with bad intentions send is refused, and nothing is stored."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import html
import json
import re
import socket

import polars as pl
import pytest
import schemathesis
import uvicorn
from fastapi import Response
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import func, select
from study_studies import dataset, unhurried
from study_visitors import PASSWORD, Administrator, Visitor, study_of

from openbasket.study import exports, security
from openbasket.study.app import create_app
from openbasket.study.design import load_design
from openbasket.study.founding import Founding
from openbasket.study.models import Assignment, Form, Participant, Rating
from openbasket.study.serving import set_password
from openbasket.web import guard as guard_module
from openbasket.web import patience
from openbasket.web.guard import MAX_BODY, Guard

TOKEN = re.compile(r'name="form" value="([^"]+)"')

UP = ("..", "%2e%2e", "..%2f", "%2e%2e%2f", "..%5c", "%252e%252e%252f", "..%c0%af", "....//", "..;/",
      "%u002e%u002e/", "..%00/", "%2e%2e%5c", ".%2e/", "%2e./", "..%ef%bc%8f")  # fmt: skip
TRAVERSALS = [
    *(f"{up}/{up}/etc/passwd" for up in UP),
    *(f"{up}openbasket/workspace.json" for up in UP),
    *(f"{up}{up}BASKET_Labels/BASKET/test.csv" for up in UP),
    "/etc/passwd", "//etc/passwd", "file:///etc/passwd", "C:%5cWindows%5cwin.ini", "%2fetc%2fpasswd",
    "BASKET/18-19/secret-league/famous-name-0_18_19.mp4", "study.sqlite", "%00", "~/.ssh/id_rsa", ".",
    "..", "/proc/self/environ",
]  # fmt: skip
SQL = (
    "' OR '1'='1",
    "1; DROP TABLE ratings;--",
    '" OR 1=1 --',
    "1 UNION SELECT value FROM meta",
    "%27--",
)
HTML = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "javascript:alert(1)",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("basket") / "ws")


@pytest.fixture
def study(tmp_path, root):
    made = study_of(tmp_path, root, players=2, sessions=2)
    yield made
    made.store.database.close()


def stored(study) -> tuple[int, ...]:
    with study.store.database.read() as session:
        return tuple(
            session.scalar(select(func.count()).select_from(table))
            for table in (Participant, Assignment, Rating, Form)
        )


def test_there_are_enough_traversals():
    assert len(set(TRAVERSALS)) >= 40


def test_no_path_leads_to_a_file_that_is_not_served(study):
    visitor = Visitor(study).to("watch")
    for payload in TRAVERSALS:
        for place in ("/media/", "/static/", "/i/", "/admin/export/", "/"):
            answer = visitor.client.get(f"{place}{payload}", follow_redirects=False)
            assert answer.status_code in (303, 307, 403, 404, 405), (place, payload)
            assert not any(
                word in answer.text for word in ("root:", "layout", "path,Free", "SQLite format")
            )


def test_a_path_in_the_database_cannot_lead_out_of_the_dataset(study, tmp_path):
    visitor = Visitor(study).to("watch")
    (tmp_path / "secret.mp4").write_text("secret")
    found = visitor.step().assignment
    for path in ("../secret.mp4", str(tmp_path / "secret.mp4"), "BASKET/../../secret.mp4"):
        player = study.pool[found.subject_id]
        study.pool[found.subject_id] = type(player)(player.subject_id, path, 2.0, player.levels)
        assert visitor.client.get(f"/media/{found.token}").status_code == 404


# -- forms from elsewhere ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "testserver"},
        {"origin": ""},
        {"origin": "http://testserver.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_forms_of_other_sites_are_refused(study, headers):
    visitor, admin = Visitor(study), Administrator(study)
    before = stored(study)
    data = {"form": visitor.form(), "agree": "yes"}
    refused = visitor.client.post("/study/consent", data=data, headers=headers)
    assert refused.status_code == 403
    assert refused.headers["x-frame-options"] == "DENY"
    data = {"form": admin.form(), "count": 1}
    assert admin.client.post("/admin/invite", data=data, headers=headers).status_code == 403
    assert stored(study) == before


def test_forms_without_their_token_are_refused(study):
    visitor, admin = Visitor(study), Administrator(study)
    before = stored(study)
    for token in ("", "x", "a.b.c", visitor.form()[:-1], visitor.form() + "x", admin.form()):
        answer = visitor.post("consent", form=token or " ", agree="yes")
        assert answer.status_code == 403
    assert visitor.client.post("/study/consent", data={"agree": "yes"}).status_code == 422
    for name, values in (
        ("invite", {"count": 1}),
        ("state", {"state": "closed"}),
        ("forget", {"participant": visitor.id, "again": visitor.id}),
        ("logout", {}),
    ):
        for token in (visitor.form(), "x"):
            data = {"form": token, **values}
            assert admin.client.post(f"/admin/{name}", data=data).status_code == 403
    other = Administrator(study)
    data = {"form": other.form(), "state": "closed"}
    assert admin.client.post("/admin/state", data=data).status_code == 403
    assert stored(study) == before
    assert study.store.meta("state") == "open"


def test_a_form_of_one_page_is_no_form_of_another(study):
    visitor = Visitor(study).to("recognise")
    form = visitor.form()
    answer = visitor.post("rate", form, **visitor.ratings(1))
    assert answer.status_code == 403
    assert stored(study)[2] == 0


# -- sessions ---------------------------------------------------------------------------------


def forged(study, person: int) -> list[str]:
    real = study.tokens.give("study", person)
    parts = real.split(".")
    body = base64.urlsafe_b64encode(json.dumps(person).encode()).decode().rstrip("=")
    return [
        str(person),
        body,
        ".".join([body, *parts[1:-1], "x" * 27]),
        ".".join([base64.urlsafe_b64encode(b"99").decode().rstrip("="), *parts[1:]]),
        URLSafeTimedSerializer("guessed", salt="study").dumps(person),
        study.tokens.give("form", person),
        study.tokens.give("admin-form", person),
        study.tokens.give("study", {"p": person}),
        real[:-2],
        "",
        "\u00e9".encode().decode("latin-1"),
        "A" * 4000,
    ]


def test_forged_sessions_are_refused(study):
    victim, stranger = Visitor(study).to("rate"), Visitor(study, "")
    for cookie in forged(study, victim.id):
        answer = stranger.client.get(
            "/study", headers={"cookie": f"study={cookie}".encode("latin-1")}
        )
        assert answer.status_code == 403, cookie
        answer = stranger.client.get(
            "/admin",
            headers={"cookie": f"study_admin={cookie}".encode("latin-1")},
            follow_redirects=False,
        )
        assert answer.status_code == 303, cookie


def test_old_sessions_are_refused(study, monkeypatch):
    visitor = Visitor(study)
    monkeypatch.setattr("openbasket.study.app.PARTICIPANT_S", -1)
    assert visitor.client.get("/study").status_code == 403


def test_cookies_are_kept_from_scripts_and_other_sites(tmp_path, root):
    study = study_of(tmp_path, root, players=2, sessions=1)
    study.https = True
    stranger = Visitor(study, "")
    [(_, token)] = study.store.invite(1)
    cookie = stranger.client.get(f"/i/{token}", follow_redirects=False).headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=lax"))
    admin = Administrator(study).answer.headers["set-cookie"]
    assert all(word in admin for word in ("HttpOnly", "Secure", "SameSite=strict"))


def test_nobody_rates_for_another_participant(study):
    victim, thief = Visitor(study).to("rate"), Visitor(study).to("rate")
    answer = thief.post("rate", victim.form(), **victim.ratings(0))
    assert answer.status_code == 403
    assert stored(study)[2] == 0
    beat = {"form": victim.form(), "position": 1, "speed": 1}
    assert thief.client.post("/study/beat", json=beat).status_code == 403


def test_nobody_watches_for_another_participant(study):
    victim, thief = Visitor(study).to("watch"), Visitor(study).to("watch")
    beat = {"form": victim.form(), "position": 1, "speed": 1}
    assert thief.client.post("/study/beat", json=beat).status_code == 403
    assert thief.post("watched", victim.form()).status_code == 403


def test_guessed_tokens_of_videos_and_invitations_lead_nowhere(study):
    visitor = Visitor(study).to("watch")
    token = visitor.step().assignment.token
    assert len(token) >= 32
    for guess in (token[:-1], token[:-1] + "A" * (token[-1] != "A") + "B" * (token[-1] == "A"),
                  token.swapcase(), str(visitor.step().assignment.id), "0" * 32):  # fmt: skip
        assert visitor.client.get(f"/media/{guess}").status_code == 404
        assert visitor.client.get(f"/i/{guess}", follow_redirects=False).status_code == 404


# -- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["-1", "3", "99999999999999999999", "1.5", "nan", "", "one", "0x1", "1e3", *SQL, *HTML]
)
def test_ratings_outside_the_scale_are_refused(study, value):
    visitor = Visitor(study).to("rate")
    before = stored(study)
    answer = visitor.post("rate", **visitor.ratings(1) | {"rebounds": value})
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert stored(study) == before


def test_unknown_fields_and_fields_that_come_twice_are_refused(study):
    visitor = Visitor(study).to("rate")
    form = visitor.form()
    assert visitor.post("rate", form, **visitor.ratings(1), group="expert").status_code == 422
    body = f"form={form}&" + "&".join(f"{k}={v}" for k, v in visitor.ratings(1).items())
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for twice in (f"{body}&rebounds=2", f"{body}&" + "&".join(f"x{n}=1" for n in range(200))):
        assert visitor.client.post("/study/rate", content=twice, headers=kind).status_code == 400
    assert stored(study)[2] == 0


@pytest.mark.parametrize("value", ["-1", "101", "nan", "inf", "-inf", "1e400", *SQL, *HTML])
def test_years_that_cannot_be_are_refused(study, value):
    visitor = Visitor(study).to("experience")
    answer = visitor.post("experience", watched=value, played="0")
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert "49" not in re.sub(r'value="[^"]*"', "", answer.text)
    assert stored(study)[1] == 0


@pytest.mark.parametrize("value", [*SQL, *HTML])
def test_texts_stay_texts(study, value):
    admin = Administrator(study)
    assert admin.post("invite", count=1, label=value).status_code == 200
    page = admin.client.get("/admin").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    with study.store.database.read() as session:
        assert session.scalar(select(Participant.label)) == value
    assert Visitor(study, "").client.get(f"/i/{value}", follow_redirects=False).status_code == 404
    assert study.store.meta("secret")


def test_the_log_in_takes_no_sql(study):
    for value in SQL:
        assert Administrator(study, value).answer.status_code in (403, 429)


def test_pages_forbid_scripts_that_are_not_ours(study):
    visitor = Visitor(study).to("watch")
    answer = visitor.client.get("/study")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?! src=)|<style| style=| on\w+=", answer.text)


def test_exports_run_no_formulas(study):
    admin = Administrator(study)
    admin.post("invite", count=1, label='=HYPERLINK("http://evil")')
    text = admin.client.get("/admin/export/participants.csv").text
    assert "'=HYPERLINK" in text
    frame = exports.participants(study.store)
    assert isinstance(frame, pl.DataFrame)


# -- bodies -----------------------------------------------------------------------------------


def test_oversized_bodies_are_refused(study):
    visitor = Visitor(study)
    form = visitor.form()
    large = "x" * (MAX_BODY + 1)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert visitor.post("consent", form, agree=large).status_code == 413

    def chunks():
        for _ in range(80):
            yield b"x" * 1024

    answer = visitor.client.post("/study/consent", content=chunks(), headers=kind)
    assert answer.status_code == 413
    lying = visitor.client.post(
        "/study/consent", content=b"x", headers=kind | {"content-length": "-1"}
    )
    assert lying.status_code == 413
    assert visitor.client.post("/study/beat", content=large).status_code == 413
    assert visitor.step().kind == "consent"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"agree=yes", "text/plain", 415),
        (b'{"agree": "yes"}', "application/json", 415),
        (b"--x\r\n", "multipart/form-data; boundary=x", 415),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"form=%ff&agree=yes", "application/x-www-form-urlencoded", 400),
        (b"form=%00&agree=yes", "application/x-www-form-urlencoded", 400),
        (b"no equals sign", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 422),
    ],
)
def test_bodies_that_are_no_forms_are_refused(study, body, kind, status):
    visitor = Visitor(study)
    answer = visitor.client.post("/study/consent", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert visitor.step().kind == "consent"


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{", '{"form": 1}', '{"form": "x", "position": NaN, "speed": 1}',
             '{"form": "x", "position": 1e999, "speed": 1}', '{"form":"x","position":-1,"speed":1}']
)  # fmt: skip
def test_reports_that_make_no_sense_are_refused(study, body):
    visitor = Visitor(study).to("watch")
    answer = visitor.client.post(
        "/study/beat", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422


# -- the administration -----------------------------------------------------------------------


def test_no_page_of_the_administration_is_shown_without_logging_in(study):
    visitor = Visitor(study)
    app = create_app(study)
    paths = [route.path for route in app.routes if route.path.startswith("/admin")]
    assert len(paths) >= 7
    for client in (visitor.client, Visitor(study, "").client):
        for path in paths:
            if path == "/admin/login":
                continue
            for method in ("GET", "POST"):
                url = path.replace("{name}", "ratings.csv")
                answer = client.request(method, url, data={"form": "x"} if method == "POST" else None,
                                        follow_redirects=False)  # fmt: skip
                assert answer.status_code in (303, 405), (method, path)
                if answer.status_code == 303:
                    assert answer.headers["location"] == "/admin/login"
    assert visitor.step().kind == "consent"


def test_guessing_the_password_is_stopped(study):
    statuses = [Administrator(study, f"guess {n}").answer.status_code for n in range(8)]
    assert statuses == [403] * security.PER_ADDRESS + [429] * 3
    refused = Administrator(study, PASSWORD).answer
    assert refused.status_code == 429
    assert refused.headers["retry-after"]
    assert "set-cookie" not in refused.headers


def test_guessing_from_many_addresses_is_stopped(study):
    for n in range(security.IN_ALL):
        assert security.may_try(study.store.database, f"10.0.0.{n}") is not None
    assert security.may_try(study.store.database, "10.9.9.9") is not None, "the team may log in"
    assert security.may_try(study.store.database, "10.9.9.9") is None
    assert security.may_try(study.store.database, "10.0.0.3") is None


def test_one_network_of_version_six_is_one_guesser(study):
    tries = [security.may_try(study.store.database, f"2001:db8::{n}") for n in range(8)]
    assert [t is None for t in tries] == [False] * 5 + [True] * 3
    assert security.may_try(study.store.database, "2001:db8:0:1::1") is not None


def test_waiting_and_a_right_password_let_in_again(study, monkeypatch):
    for n in range(security.PER_ADDRESS - 1):
        Administrator(study, f"guess {n}")
    assert Administrator(study, PASSWORD).answer.status_code == 303
    assert Administrator(study, "one more guess").answer.status_code == 403
    assert Administrator(study, PASSWORD).answer.status_code == 429
    monkeypatch.setattr(security, "WINDOW_S", -1.0)
    assert Administrator(study, PASSWORD).answer.status_code == 303


def test_passwords_are_long_enough_and_kept_as_hashes(study):
    from openbasket.errors import ConfigError

    with pytest.raises(ConfigError, match="at least 10"):
        security.hash_password("short")
    kept = study.store.meta("password")
    assert PASSWORD not in kept
    assert security.hash_password(PASSWORD) != kept
    assert security.check_password(PASSWORD, kept)


# -- everything else --------------------------------------------------------------------------


def test_no_schema_and_no_docs_are_served(study):
    stranger = Visitor(study, "")
    for path in ("/openapi.json", "/docs", "/redoc"):
        assert stranger.client.get(path).status_code == 404


def refuse_to_fail(app, ready, least: int) -> None:
    """Send each operation of an app what its schema allows; nothing may end in a fault of the server.

    Args:
        app: the application.
        ready: path -> cookies, and what goes into every other case so that it is taken: parts of the path
            and fields of the form.
        least: how many operations there are at least.
    """
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= least
    for operation in operations:
        statuses = send_cases(operation, *ready(operation.path))
        assert any(status < 400 for status in statuses), (operation.path, statuses)


def send_cases(operation, cookies, path, fields) -> list[int]:
    """Send cases of an operation; return their statuses, 403 where the log-in was asked for."""
    statuses = []

    @settings(
        max_examples=16, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy())
    def check(case):
        if len(statuses) % 2 == 0:
            case.path_parameters = {**(case.path_parameters or {}), **path}
            if isinstance(case.body, dict):
                case.body |= fields
        answer = case.call(cookies=cookies, allow_redirects=False)
        assert answer.status_code < 500, (case.method, case.path, answer.status_code)
        asked = answer.headers.get("location", [""])[0] == "/admin/login"
        asked = asked and "set-cookie" not in answer.headers  # who logs out gets there, too
        statuses.append(403 if asked else answer.status_code)

    check()
    return statuses


def test_no_request_that_fits_the_schema_makes_a_fault(study):
    steps = {"watched": "watch", "beat": "watch", "broken": "watch"}

    def ready(place):
        study.store.set_meta("state", "open")
        if place.startswith("/admin"):
            admin = Administrator(study)
            person = study.store.invite(1)[0][0]
            fields = {"form": admin.form()}
            if place == "/admin/login":
                form = html.unescape(TOKEN.search(admin.client.get(place).text)[1])
                fields = {"form": form, "password": PASSWORD}
            if place == "/admin/forget":
                fields |= {"participant": person, "again": person}
            return dict(admin.client.cookies), {"name": "ratings.csv"}, fields
        name = place.rpartition("/")[2]
        kind = steps.get(name, name if place.startswith("/study/") else "watch")
        visitor = Visitor(study).to(kind)
        step = visitor.step()
        token = visitor.token if place.startswith("/i/") else getattr(step.assignment, "token", "")
        fields = {"form": study.form(visitor.id, step.key)}
        if name == "watched":
            visitor.watch()
        if kind == "rate":
            fields |= visitor.ratings(1)
        return dict(visitor.client.cookies), {"token": token}, fields

    refuse_to_fail(create_app(study), ready, 19)
    assert stored(study)[2] > 0


@pytest.fixture
def founding(tmp_path, root):
    unhurried(tmp_path / "new.toml").close()
    made = Founding(f"sqlite:///{tmp_path}/new.sqlite", tmp_path / "new.toml", root)
    set_password(made.database, PASSWORD)
    yield made
    made.database.close()


def test_no_request_that_fits_the_schema_makes_a_fault_before_there_is_a_study(founding, tmp_path):
    def ready(place):
        client = TestClient(founding.form)
        log_in(client, PASSWORD)
        page = client.get("/admin/login" if place == "/admin/login" else "/admin").text
        fields = {"form": html.unescape(TOKEN.search(page)[1])}
        if place == "/admin/login":
            fields["password"] = PASSWORD
        if place == "/admin/create":
            fields |= {"where": "test/secret-league/18-19", "levels": "3", "players": 1}
            fields |= {"sessions": 1, "pool": "", "skill_steals": "yes"}
        return dict(client.cookies), {}, fields

    refuse_to_fail(founding.form, ready, 5)
    assert (tmp_path / "new.toml").exists()


def test_a_fault_is_answered_with_a_page_that_has_the_headers_too(study, monkeypatch):
    stranger = Visitor(study, "")

    def fail(_):
        raise ValueError("a secret")

    monkeypatch.setattr(study, "person", fail)
    answer = stranger.client.get("/")
    assert answer.status_code == 500
    assert "A fault of ours" in answer.text
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def guarded(app, messages: list[dict]) -> list[dict]:
    """What a client gets that sends these messages to a guarded app, and then nothing."""
    sent = []

    async def receive():
        if not messages:
            await asyncio.sleep(3600)
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [], "path": "/"}
    guard = Guard(app, log="openbasket.study", fault=lambda: Response("fault", 500))
    asyncio.run(guard(scope, receive, send))
    return sent


def test_who_goes_away_in_the_middle_of_a_form_is_not_taken_for_an_empty_form():
    called = []

    async def app(*_):
        called.append(1)

    part = {"type": "http.request", "body": b"form=", "more_body": True}
    assert guarded(app, [part, {"type": "http.disconnect"}]) == []
    assert called == []


def test_a_form_that_takes_too_long_is_told_so_and_a_slow_app_is_not(monkeypatch):
    async def app(*_):
        raise TimeoutError("the database's")

    whole = {"type": "http.request", "body": b"", "more_body": False}
    assert guarded(app, [whole])[0]["status"] == 500
    monkeypatch.setattr(guard_module, "BODY_S", 0.01)
    assert guarded(app, [])[0]["status"] == 408


def test_connections_that_send_no_request_are_closed(study, monkeypatch):
    monkeypatch.setattr(patience, "HEAD_S", 0.3)

    async def meet() -> list[bytes]:
        config = uvicorn.Config(create_app(study), http=patience.Impatient, log_config=None)
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        address = listening.getsockname()

        async def client(*parts: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(*address)
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.1)
            answer = b""
            with contextlib.suppress(ConnectionError):  # it wrote to what was closed
                answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return answer

        whole = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
        answers = await asyncio.gather(
            client(),
            client(b"GET / HTTP/1.1\r\n", b"a: b\r\n", b"c: d\r\n", b"e: f\r\n", b"g: h\r\n"),
            client(whole + b"\r\n", b"GET / HT"),
            client(whole + b"connection: close\r\n\r\n"),
        )
        server.should_exit = True
        await task
        return answers

    nothing, trickle, second, normal = asyncio.run(meet())
    assert nothing == trickle == b""
    assert second.count(b"HTTP/1.1 200") == 1
    assert b'{"status":"ok"}' in normal


def log_in(client, password):
    form = html.unescape(TOKEN.search(client.get("/admin/login").text)[1])
    data = {"form": form, "password": password}
    return client.post("/admin/login", data=data, follow_redirects=False)


def test_before_there_is_a_study_no_path_leads_to_a_file(founding):
    client = TestClient(founding, raise_server_exceptions=False)
    for path in TRAVERSALS:
        for base in ("/", "/static/", "/admin/", "/media/"):
            answer = client.get(base + path)
            assert answer.status_code in (404, 405) or "<h1>Administration</h1>" in answer.text
            assert "root:" not in answer.text
            assert "famous-name" not in answer.text


def test_guessing_the_password_before_there_is_a_study_is_stopped(founding):
    client = TestClient(founding, raise_server_exceptions=False)
    codes = [log_in(client, f"wrong {n} wrong").status_code for n in range(7)]
    assert codes == [403] * 5 + [429] * 2
    assert log_in(client, PASSWORD).status_code == 429


@pytest.mark.parametrize("text", [*SQL, *HTML, '"""\ndataset = "/etc"', "\\u0041 \\"])
def test_texts_of_a_new_study_stay_texts(founding, tmp_path, text):
    client = TestClient(founding, raise_server_exceptions=False)
    log_in(client, PASSWORD)
    page = client.get("/admin").text
    values = {
        "form": html.unescape(TOKEN.search(page)[1]), "title": text, "contact": text,
        "consent": text, "where": "test/secret-league/18-19", "levels": "3", "players": "2",
        "sessions": "1", "skill_steals": "yes", "currency": "USD", "base": "1", "bonus": "1",
        "threshold": "60",
    }  # fmt: skip
    answer = client.post("/admin/create", data=values)
    if "\n" in text:  # a line break in a title is refused, and shown again as text
        assert answer.status_code == 422
        assert not (tmp_path / "new.toml").exists()
        return
    assert answer.status_code == 200, answer.text
    assert load_design(tmp_path / "new.toml").title == text
    assert text not in answer.text or html.escape(text) == text
    assert 'dataset = "/etc"' not in (tmp_path / "new.toml").read_text().splitlines()

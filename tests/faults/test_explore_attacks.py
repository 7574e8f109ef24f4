"""Explorer: nothing but the dataset's pages and reels is served, and only to whom it should be."""

from __future__ import annotations

import pytest
from explore_visits import HOME, made
from starlette.testclient import TestClient

from openbasket.explorer.app import create_app
from openbasket.explorer.catalogue import load

UP = ("..", "%2e%2e", "..%2f", "%2e%2e%2f", "..%5c", "%252e%252e%252f", "..%c0%af", "....//", "..;/",
      "..%00/", "%2e%2e%5c", ".%2e/", "%2e./", "..%ef%bc%8f")  # fmt: skip
TRAVERSALS = [
    *(f"{up}/{up}/etc/passwd" for up in UP),
    *(f"{up}openbasket/workspace.json" for up in UP),
    *(f"{up}{up}etc/passwd" for up in UP),
    "/etc/passwd", "//etc/passwd", "file:///etc/passwd", "%2fetc%2fpasswd", "%00", "~/.ssh/id_rsa",
]  # fmt: skip
HTML = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return made(tmp_path_factory.mktemp("explore") / "ws", name=HTML)


@pytest.fixture(scope="module")
def catalogue(root):
    return load(root)


@pytest.fixture
def client(catalogue):
    return TestClient(create_app(catalogue), base_url=HOME, raise_server_exceptions=False)


def test_no_path_leads_to_a_file(client):
    assert len(TRAVERSALS) >= 40
    for path in TRAVERSALS:
        for base in ("/", "/static/", "/players/", "/media/", "/players/ann_nba_21_22/"):
            answer = client.get(base + path)
            assert answer.status_code < 500, base + path
            assert "root:" not in answer.text
            assert '"version"' not in answer.text


def test_names_are_text_on_every_page(client):
    pages = ["/", "/?q=script", "/players/ann_nba_21_22", "/statistics", "/map",
             "/compare?id=ann_nba_21_22&id=bo_wnba_22_23"]  # fmt: skip
    seen = 0
    for page in pages:
        text = client.get(page).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        seen += "&lt;script&gt;alert" in text
    assert seen >= 2


def test_pages_run_no_scripts_of_others(client):
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy


@pytest.mark.parametrize(
    "query",
    ["?page=0", "?page=x", "?sort=(select 1)", "?league=" + "x" * 60_000, "?age_min=-1", "?age_min=1e400",
     "?skill=nothing", "?level_min=9", "?q=" + "a " * 5000, "?unknown=1", "?page=99999999999999999999",
     "?q=%00", "?q=%ff%fe", "?q=[", "?q=(((((((((((a+)+)+)+)+"],
)  # fmt: skip
def test_odd_queries_make_no_fault(client, query):
    assert client.get("/" + query).status_code in (200, 414, 422)


@pytest.mark.parametrize(
    "who", ["nobody", "' OR 1=1", "%27--", "x" * 3000, "ann_nba_21_22%00", "é"]
)
def test_odd_players_are_not_found(client, who):
    assert client.get(f"/players/{who}").status_code in (404, 422)
    assert client.get(f"/players/{who}/clips.csv").status_code in (404, 422)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(client, method):
    assert client.request(method, "/players/ann_nba_21_22").status_code == 405


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""]
)
def test_a_name_that_is_not_of_this_machine_is_refused(client, host):
    assert client.get("/", headers={"host": host}).status_code == 421


def test_without_the_token_nothing_is_shown(catalogue):
    client = TestClient(
        create_app(catalogue, "right-token"),
        base_url="http://1.2.3.4",
        raise_server_exceptions=False,
    )
    for given in ("", "?token=", "?token=wrong", "?token=right-toke", "?token=%ff"):
        for page in ("/", "/players/ann_nba_21_22", "/map", "/players/ann_nba_21_22/clips.csv"):
            answer = client.get(page + given)
            assert answer.status_code == 401
            assert "Bo Berg" not in answer.text
    client.cookies.set("explore", "0" * 64)
    assert client.get("/").status_code == 401
    client.cookies.clear()
    assert "Bo Berg" in client.get("/?token=right-token").text
    assert client.get("/").status_code == 200, "the cookie holds"


def test_the_way_in_leads_to_no_other_site(catalogue):
    client = TestClient(create_app(catalogue, "t" * 10), base_url="http://1.2.3.4")
    answer = client.get("//evil.example/?token=" + "t" * 10, follow_redirects=False)
    assert not answer.headers.get("location", "/").startswith("//")

"""Explorer: what the pages show is what the dataset holds, and what is missing is told."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
import re
import shutil
import subprocess
import sys

import httpx
import polars as pl
import pytest
from explore_visits import made, predictions, visit

from openbasket.dataset.rendered import load_benchmark, make
from openbasket.errors import ConfigError, NotFoundError
from openbasket.explorer.catalogue import folded, load
from openbasket.explorer.errors import errors_of
from openbasket.explorer.query import PAGE, Query, QueryFault, parse, search
from openbasket.explorer.serving import address, token_for
from openbasket.skills import SKILL_KEYS
from openbasket.transcripts.sportscode import read_instances
from openbasket.workspace import Workspace

ANN = "ann_nba_21_22"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return made(tmp_path_factory.mktemp("explore") / "ws")


@pytest.fixture(scope="module")
def runs(root, tmp_path_factory):
    return predictions(root, tmp_path_factory.mktemp("runs") / "p.parquet")


@pytest.fixture(scope="module")
def catalogue(root, runs):
    return load(root, [runs])


@pytest.fixture(scope="module")
def client(root, runs):
    return visit(root, runs)


def found(catalogue, text: str) -> list[str]:
    pairs = [tuple(part.split("=", 1)) for part in text.split("&") if part]
    return [row["subject_id"] for row in search(catalogue, parse(pairs)).rows]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ["bo_wnba_22_23", "cy_village_22_23", "ann_nba_21_22", "ann_nba_22_23"]),
        ("q=nunez", ["ann_nba_21_22", "ann_nba_22_23"]),
        ("q=NÚÑEZ elodie", ["ann_nba_21_22", "ann_nba_22_23"]),
        ("q=.*", []),
        ("gender=women", ["bo_wnba_22_23"]),
        ("league=nba&season=22-23", ["ann_nba_22_23"]),
        ("region=North America&order=desc&sort=minutes", ["ann_nba_22_23", "bo_wnba_22_23", "ann_nba_21_22"]),
        ("age_min=21&age_max=21", ["ann_nba_21_22"]),
        ("age_min=0", ["ann_nba_21_22", "ann_nba_22_23"]),
        ("skill=free_throw&level_min=2", ["bo_wnba_22_23", "cy_village_22_23"]),
        ("skill=free_throw&sort=level&order=desc&level_max=2", ["bo_wnba_22_23", "ann_nba_22_23", "ann_nba_21_22"]),
        ("skill=defensive_rebounds&level_min=0", []),
    ],
)  # fmt: skip
def test_a_query_finds_who_fits_in_order(catalogue, query, wanted):
    assert found(catalogue, query) == wanted


def test_pages_of_results_hold_everybody_once(tmp_path):
    root = made(tmp_path / "ws")
    ws = Workspace(root)
    one = ws.read("subjects").head(1)
    many = pl.concat(
        [
            one.with_columns(subject_id=pl.lit(f"p{n}_nba_21_22"), player_id=pl.lit(f"p{n}"))
            for n in range(2 * PAGE + 5)
        ]
    )
    ws.write("subjects", many)
    catalogue = load(root)
    seen = []
    for page in (1, 2, 3):
        answer = search(catalogue, Query(page=page, sort="minutes", order="desc"))
        assert (answer.pages, answer.total) == (3, many.height)
        seen += [row["subject_id"] for row in answer.rows]
    assert sorted(seen) == sorted(many["subject_id"])
    assert search(catalogue, Query(page=99)).page == 3


def test_the_query_string_is_the_state():
    query = Query(q="a b", league="nba", page=3)
    assert query.url() == "/?q=a+b&league=nba"
    assert query.url(page=4) == "/?q=a+b&league=nba&page=4"
    assert Query().url() == "/"


@pytest.mark.parametrize(
    "pairs",
    [[("x", "1")], [("q", "a"), ("q", "b")], [("age_min", "old")], [("sort", "text")], [("page", "0")],
     [("skill", "flying")], [("q", "a\x00")], [("q", "a" * 101)], [("level_min", "-1")]],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(pairs):
    with pytest.raises(QueryFault):
        parse(pairs)


def test_accents_and_case_do_not_matter():
    assert folded("Dončić ŠARIĆ Đurišić") == "doncic saric durisic"


def test_a_player_page_shows_levels_beside_predictions(client):
    page = client.get(f"/players/{ANN}").text
    row = re.search(r"<th scope=\"row\">Free Throw</th>.*?</tr>", page, re.DOTALL)[0]
    assert ">Poor<" in row
    assert "Fair" in row
    assert "60 %" in row
    assert "+1" in row
    assert page.count("no label") >= 2
    assert 'href="/players/ann_nba_22_23"' in page
    assert "guard" in page
    assert 'aria-label="Élodie Núñez, mean levels' in page
    assert "not on this machine" in page
    assert re.findall(r"<summary>(\w+) <span class=\"quiet\">\((\d)\)", page) == [
        ("assist", "2"),
        ("steal", "1"),
    ]


def test_a_person_leads_to_the_latest_season(client):
    answer = client.get("/players/ann")
    assert (answer.status_code, answer.headers["location"]) == (303, "/players/ann_nba_22_23")


def test_missing_facts_are_told(client):
    page = client.get("/players/cy_village_22_23").text
    assert page.count("not told") >= 5
    assert "lists no clips" in page
    assert "No predictions of this player" in page
    assert "village" in client.get("/map").text.split('class="note"')[1]


def test_clips_as_csv_and_xml(client, tmp_path):
    rows = list(
        csv.DictReader(io.StringIO(client.get(f"/players/{ANN}/clips.csv?kind=assist").text))
    )
    assert [(r["clip_id"], r["start_s"], r["end_s"], r["clock_s"]) for r in rows] == [
        ("c0", "0.000", "2.000", "500.0"), ("c2", "4.000", "6.000", "498.0"),
    ]  # fmt: skip
    file = tmp_path / "clips.xml"
    file.write_bytes(client.get(f"/players/{ANN}/clips.xml").content)
    read, *_ = read_instances(file)
    assert [(i.start_s, i.end_s, i.code) for i in read] == [
        (0, 2, "assist"),
        (2, 4, "steal"),
        (4, 6, "assist"),
    ]
    assert client.get(f"/players/{ANN}/clips.csv?x=1").status_code == 422


def test_errors_of_a_run(catalogue, client):
    found = errors_of(catalogue, "run-a")
    assert {row["right"] for row in found.skills} == {0.0}
    assert found.labels == sum(map(sum, found.confusion)) == 3 * sum(n % 7 != 6 for n in range(20))
    assert all(found.confusion[level][level] == 0 for level in range(5))
    assert found.confusion[4][0] == sum(row["off"] == 4 for row in found.largest)
    one = errors_of(catalogue, "run-a", "rebounds")
    assert one.labels == 3
    assert len(one.skills) == len(found.skills)
    assert "run-a" in client.get("/errors").text
    assert client.get("/errors?run=other").status_code == 404
    assert client.get("/errors?skill=flying").status_code == 422


def test_two_to_four_are_compared(client):
    ids = [ANN, "ann_nba_22_23", "bo_wnba_22_23", "cy_village_22_23"]
    page = client.get("/compare", params=[("id", one) for one in ids]).text
    assert all(f'class="s{place}"' in page for place in range(4))
    assert all(f'href="/players/{one}"' in page for one in ids)
    fewer = client.get("/compare", params=[("id", ANN), ("add", ids[2])]).text
    assert 'class="s1"' in fewer
    assert 'class="s2"' not in fewer
    assert client.get("/compare").status_code == 200
    assert client.get("/compare", params=[("id", str(n)) for n in range(5)]).status_code == 422
    assert client.get("/compare?id=nobody").status_code == 404


def test_statistics_count_the_players(client):
    page = client.get("/statistics").text
    assert "4 player-seasons of 3 persons" in page
    assert ">20 to 24<" in page
    assert "By age" in page


def test_a_dataset_without_ages_runs_and_games(tmp_path):
    root = made(tmp_path / "ws", born=None)
    for name in ("reels.parquet", "levels.parquet", "players.parquet", "labels.json"):
        (root / "openbasket" / name).unlink()
    client = visit(root)
    for url in ("/", f"/players/{ANN}", "/statistics", "/map", "/errors", f"/compare?id={ANN}&id=ann_nba_22_23",
                "/?age_min=3&sort=age", f"/players/{ANN}/clips.csv", f"/players/{ANN}/clips.xml"):  # fmt: skip
        assert client.get(url).status_code == 200, url
    assert "no dates of birth" in client.get("/statistics").text
    assert "--predictions" in client.get("/errors").text


@pytest.fixture(scope="module")
def official(finished, tmp_path_factory):
    """An official download: labels and reels, no tables."""
    root = tmp_path_factory.mktemp("official") / "d"
    shutil.copytree(finished / "ws" / "BASKET_Labels", root / "BASKET_Labels")
    shutil.copytree(finished / "ws" / "BASKET", root / "BASKET")
    return root


def test_the_official_layout_alone_is_enough(finished, official):
    catalogue, whole = load(official), load(finished / "ws")
    person = catalogue.people["subject_id"][0]
    for key in SKILL_KEYS:
        assert catalogue.person(person)[key] == whole.person(person)[key]
    client = visit(official, finished / "predictions.parquet")
    for url in ("/", "/statistics", "/map", "/errors", f"/compare?id={person}"):
        assert client.get(url).status_code == 200
    card = client.get(f"/players/{person}").text
    row = catalogue.person(person)
    assert row["season"] in card
    assert client.get(f"/media/{person}", headers={"range": "bytes=0-9"}).status_code == 206
    assert "lists no clips" in card


def test_what_an_official_download_does_not_tell_is_said_once(official):
    client = visit(official)
    text = client.get("/").text
    assert (
        "does not tell: names, ages, nationality, position, height, clubs, games and minutes"
        in text
    )
    assert "listed by their ids" in text
    for name in ("age_min", "sort=age", "sort=minutes", ">minutes<"):
        assert name not in text
    person = load(official).people["subject_id"][0]
    assert "not told" not in client.get(f"/players/{person}").text


def test_reels_of_absolute_paths_are_shown_below_the_root_alone(official, tmp_path):
    root = tmp_path / "d"
    shutil.copytree(official, root)
    outside = tmp_path / "21-22" / "nba" / "someone_21_22.mp4"
    outside.parent.mkdir(parents=True)
    outside.write_bytes(b"secret")
    for file in root.rglob("*.csv"):
        lines = file.read_text().splitlines(keepends=True)
        lines[1:] = [f"{root}/{line}" for line in lines[1:]]
        if file.name == "train.csv":
            lines.append(f"{outside},{lines[1].split(',', 1)[1]}")
        file.write_text("".join(lines))
    client = visit(root)
    person = load(official).people["subject_id"][0]
    assert client.get(f"/media/{person}").status_code == 200
    assert client.get("/players/someone_nba_21_22").status_code == 200
    assert client.get("/media/someone_nba_21_22").status_code == 404


def test_reels_that_are_drawn_are_no_videos(tmp_path):
    make(Workspace(tmp_path, create=True), load_benchmark("mini"), quiet=True)
    person = Workspace(tmp_path).read("reels")["subject_id"][0]
    client = visit(tmp_path)
    text = client.get(f"/players/{person}").text
    assert "drawn on demand" in text
    assert "there is no video to play" in text
    assert "not on this machine" not in text
    assert "<video" not in text
    assert client.get(f"/players/{person}/clips.csv").text.count("\n") > 1
    assert client.get(f"/media/{person}").status_code == 404


def test_what_is_no_video_by_its_name_is_not_given_out(official, tmp_path):
    root = tmp_path / "d"
    shutil.copytree(official / "BASKET_Labels", root / "BASKET_Labels")
    secret = root / "21-22" / "nba" / "a_21_22.sqlite"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(b"secret")
    train = root / "BASKET_Labels" / "BASKET" / "train.csv"
    lines = train.read_text().splitlines(keepends=True)
    named = secret.relative_to(root).as_posix()
    train.write_text(lines[0] + f"{named},{lines[1].split(',', 1)[1]}")
    catalogue = load(root)
    (person,) = [one for one, path in catalogue.videos.items() if path == named]
    answer = visit(root).get(f"/media/{person}")
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_the_club_stands_on_the_card(root, finished, client):
    assert "Club" not in client.get(f"/players/{ANN}").text
    whole = load(finished / "ws")
    clubs = {one: whole.club(one) for one in whole.people["subject_id"]}
    assert None not in clubs.values()
    appearances = Workspace(finished / "ws").read("appearances")
    person, club = next(iter(clubs.items()))
    row = whole.person(person)
    games = Workspace(finished / "ws").read("games", row["league"], row["season"])
    mine = appearances.filter(pl.col("player_id") == row["player_id"])["team_id"].unique().to_list()
    names = {
        names[f"{side}_team"] or names[f"{side}_team_id"]
        for names in games.to_dicts()
        for side in ("home", "away")
        if names[f"{side}_team_id"] in mine
    }
    assert club in names
    assert club in visit(finished / "ws").get(f"/players/{person}").text


def test_the_log_tells_routes_but_no_names(client, caplog):
    logger = logging.getLogger("openbasket.explorer")
    logger.propagate = True
    caplog.set_level("INFO", "openbasket.explorer")
    for url in (f"/players/{ANN}", "/static/ball.svg", "/nothing/ann", "/"):
        client.get(url)
    routes = [record.facts["route"] for record in caplog.records if record.msg == "request"]
    assert routes == ["/players/{subject_id}", "/static", "-", "/"]


def test_a_reel_comes_in_byte_ranges(finished):
    client = visit(finished / "ws", finished / "predictions.parquet")
    person = load(finished / "ws").videos.popitem()[0]
    whole = client.get(f"/media/{person}")
    part = client.get(f"/media/{person}", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert client.head(f"/media/{person}").headers["accept-ranges"] == "bytes"
    assert "<video" in client.get(f"/players/{person}").text


def test_pages_are_small(client):
    for url in ("/", f"/players/{ANN}", "/statistics", "/map", "/errors"):
        assert len(client.get(url).content) < 300_000


def test_folders_and_predictions_that_cannot_be_shown(tmp_path, root, runs):
    with pytest.raises(NotFoundError):
        load(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="holds no dataset"):
        load(tmp_path / "empty")
    with pytest.raises(ConfigError, match="another file"):
        load(root, [runs, runs])


def test_tokens():
    assert token_for("127.0.0.1", None) is None
    assert token_for("::1", None) is None
    made_up = token_for("0.0.0.0", None)
    assert len(made_up) >= 32
    assert token_for("127.0.0.1", "long-enough") == "long-enough"
    for bad in ("short", "with blank 1", "x" * 201, "großartig"):
        with pytest.raises(ConfigError):
            token_for("127.0.0.1", bad)
    assert address("http://[::1]:80", "t") == "http://[::1]:80/?token=t"
    assert address("http://127.0.0.1:80", None) == "http://127.0.0.1:80/"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_verb_prints_an_address_that_works_until_it_is_told_to_stop(root, host):
    server = subprocess.Popen(
        [sys.executable, "-m", "openbasket", "explore", root, "--host", host, "--port", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        text = ""
        for line in server.stdout:
            text += line
            with contextlib.suppress(ValueError):
                told = json.loads(text)
                break
        assert told["player_seasons"] == 4
        assert (host == "0.0.0.0") == ("token=" in told["address"])
        answer = httpx.get(told["address"], follow_redirects=True)
        assert "Bo Berg" in answer.text
    finally:
        server.terminate()
        server.communicate(timeout=30)
    assert server.returncode in (0, -15)

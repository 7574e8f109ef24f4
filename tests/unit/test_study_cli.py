"""Study: the verbs of the command line."""

from __future__ import annotations

import json

import pytest
from study_studies import LEAGUE, SEASON, dataset
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.errors import BadInputError, ConfigError, NotFoundError, WorkspaceError
from openbasket.study.design import load_design
from openbasket.study.serving import local_url

MAKE = ("--league", LEAGUE, "--season", SEASON)


@pytest.fixture
def folder(tmp_path):
    dataset(tmp_path / "ws", players=16)
    return tmp_path


def run(*words: object) -> str:
    done = CliRunner().invoke(app, ["study", *map(str, words)], catch_exceptions=True)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_a_study_is_made_and_people_are_invited(folder):
    file = folder / "study.toml"
    assert "16 players can be drawn" in run("create", folder / "ws", *MAKE, "--out", file)
    design = load_design(file)
    assert (design.players, design.sessions, design.levels, len(design.skills)) == (5, 3, 3, 5)
    assert design.pay.threshold == 0.6
    links = json.loads(
        run("invite", file, "--count", 2, "--json", "--public-url", "https://x.org/")
    )
    assert [row["participant"] for row in links] == [1, 2]
    assert links[0]["link"].startswith("https://x.org/i/")
    run("export", file, "--out", folder / "out")
    assert len(list((folder / "out").iterdir())) == 6
    with pytest.raises(NotFoundError, match="no ratings that count"):
        run("results", file, "--out", folder / "out")
    with pytest.raises(WorkspaceError, match="is there already"):
        run("create", folder / "ws", *MAKE, "--out", file)


def test_a_study_that_cannot_be_is_refused_before_anything_is_written(folder):
    file = folder / "study.toml"
    for words, kind, text in (
        (("--players", 6), BadInputError, "at most 16"),
        (("--levels", 4), ConfigError, "3 or 5"),
        (("--skill", "rebonds"), ConfigError, "Did you mean 'rebounds'"),
        (("--pool", 3), ConfigError, "at least 15"),
        (("--split", "tset"), ConfigError, "no such split"),
    ):
        with pytest.raises(kind, match=text):
            run("create", folder / "ws", *MAKE, "--out", file, *words)
        assert not file.exists()
    with pytest.raises(WorkspaceError, match="no workspace"):
        run("create", folder / "none", *MAKE, "--out", file)


def test_videos_that_are_gone_are_all_told_at_the_start(folder):
    file = folder / "study.toml"
    run("create", folder / "ws", *MAKE, "--out", file)
    run("invite", file)
    gone = sorted((folder / "ws").rglob("*.mp4"))[:2]
    for video in gone:
        video.unlink()
    with pytest.raises(BadInputError) as caught:
        run("serve", file)
    assert len(caught.value.problems) == 2
    file.with_suffix(".sqlite").unlink()
    with pytest.raises(BadInputError, match="there is no such video"):
        run("invite", file)
    assert not file.with_suffix(".sqlite").exists()


def test_links_begin_where_the_study_was_served_last(folder):
    from openbasket.study.opening import open_store

    file = folder / "study.toml"
    run("create", folder / "ws", *MAKE, "--out", file)
    assert "http://127.0.0.1:8000/i/" in run("invite", file)
    store = open_store(file)
    store.set_meta("address", "http://127.0.0.1:41234")
    store.database.close()
    assert "http://127.0.0.1:41234/i/" in run("invite", file)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5"),
        ("0.0.0.0", "http://127.0.0.1:5"),
        ("::", "http://[::1]:5"),
    ],
)
def test_printed_addresses_can_be_opened(host, url):
    assert local_url(host, 5) == url


def test_bad_words_are_refused(folder):
    file = folder / "study.toml"
    run("create", folder / "ws", *MAKE, "--out", file)
    with pytest.raises(ConfigError, match="give a study file, or --demo"):
        run("serve")
    with pytest.raises(ConfigError, match="printable"):
        run("invite", file, "--note", "a\x07b")
    with pytest.raises(ConfigError, match="public URL"):
        run("serve", file, "--public-url", "ftp://x")

"""SportsCode timelines: written and read again, and read as analysts tag them."""

from __future__ import annotations

import datetime as dt
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbasket.dataset.export.sportscode import export_sportscode
from openbasket.errors import BadInputError, NotFoundError
from openbasket.transcripts import ImportOptions, import_files
from openbasket.transcripts.sportscode import Instance, read_instances, to_xml
from openbasket.workspace import Workspace

TEXT = st.text(max_size=30)
TIMES = st.floats(0, 90_000, allow_nan=False)


def tidy(text: str) -> str:
    """What can be kept of a text in XML: no control characters, single blanks."""
    kept = "".join(
        c for c in text if c in "\t\n\r" or (ord(c) >= 32 and ord(c) not in (0xFFFE, 0xFFFF))
    )
    return " ".join(kept.split())


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(TIMES, TIMES, TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=4)), max_size=6
    ),
    began=st.none() | st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)),
)
def test_what_is_written_is_read_again(rows, began, tmp_path_factory):
    instances = [Instance(min(a, b), max(a, b), code, tuple(labels)) for a, b, code, labels in rows]
    file = tmp_path_factory.mktemp("xml") / "timeline.xml"
    file.write_bytes(to_xml(instances, began=began))
    found, session = read_instances(file)
    wanted = [
        Instance(
            i.start_s, i.end_s, tidy(i.code), tuple((tidy(g), tidy(t)) for g, t in i.labels)
        )
        for i in sorted(instances, key=lambda i: i.start_s)
    ]  # fmt: skip
    assert found == wanted
    assert session is None if began is None else session.date() == began.date()


@pytest.fixture
def dataset(finished: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(finished / "ws", tmp_path / "ws")
    return Workspace(tmp_path / "ws")


def test_an_exported_game_is_imported_as_it_was(dataset, tmp_path):
    game = dataset.read("games").sort("game_id").row(0, named=True)
    out = tmp_path / "game.xml"
    counts = export_sportscode(dataset, game["game_id"], out)
    mine = pl.col("game_id") == game["game_id"]
    before = dataset.read("events").filter(mine).sort("order")
    assert counts["events"] == before.height
    assert counts["without_time"] == 0
    again = Workspace(tmp_path / "again", create=True)
    import_files("auto", [out], again, quiet=True)
    after = again.read("events").sort("order")
    same = [
        c
        for c in before.columns
        if c not in ("play_id", "event_id", "order", "wall_time", "clock_s")
    ]
    assert after.select(same).rows() == before.select(same).rows()
    assert after["clock_s"].to_list() == pytest.approx(before["clock_s"].to_list(), abs=1e-3)
    told = (
        again.read("games")
        .select("home_team", "away_team", "home_score", "away_score", "date")
        .row(0)
    )
    assert told == tuple(
        game[c] for c in ("home_team", "away_team", "home_score", "away_score", "date")
    )


def test_the_timeline_has_the_clips_of_the_reels(dataset, tmp_path):
    clips = dataset.read("clips")
    game = clips["game_id"][0]
    out = tmp_path / "game.xml"
    counts = export_sportscode(dataset, game, out)
    wanted = (
        dataset.read("reels").filter(game_id=game).select("subject_id", "clip_id").unique().height
    )
    assert counts["clips"] == wanted > 0
    instances, _ = read_instances(out)
    mine = [i for i in instances if i.code.startswith("Clips: ")]
    spans = {(round(i.start_s, 6), round(i.end_s, 6)) for i in mine}
    assert spans == set(
        clips.filter(game_id=game).select(pl.col("start_s", "end_s").round(6)).rows()
    )
    rows = ET.fromstring(out.read_bytes()).findall("ROWS/row")
    assert {row.findtext("code") for row in rows} == {i.code for i in instances}


def test_games_without_a_video_or_of_another_workspace_are_refused(dataset, tmp_path):
    game = dataset.read("games")["game_id"][0]
    with pytest.raises(NotFoundError, match="game 'nobody'"):
        export_sportscode(dataset, "nobody", tmp_path / "x.xml")
    for table in ("anchors", "event_times"):
        for file in (
            (dataset.private / table).rglob("*.parquet")
            if (dataset.private / table).is_dir()
            else [dataset.private / f"{table}.parquet"]
        ):
            file.unlink()
    with pytest.raises(BadInputError, match="sync"):
        export_sportscode(dataset, game, tmp_path / "x.xml")
    assert not (tmp_path / "x.xml").exists()


def timeline(tmp_path: Path, instances: list[Instance]) -> Path:
    file = tmp_path / "tagged.xml"
    file.write_bytes(to_xml(instances, began=dt.datetime(2023, 1, 2)))
    return file


def tag(start: float, code: str, **labels: str) -> Instance:
    return Instance(start, start + 4, code, tuple(labels.items()))


def test_tags_without_clocks_get_the_period_around_them_and_a_flag(tmp_path):
    file = timeline(
        tmp_path,
        [
            Instance(100, 1300, "1st Quarter"),
            Instance(1400, 2600, "Q2"),
            tag(400, "2PT Made", Team="Reds", Player="7 Ana Kos"),
            tag(700, "3 pts missed", Team="Blues", Player="Eva Lin"),
            tag(1400, "FT", Team="Reds", Player="7 Ana Kos", Result="Made"),
            tag(3000, "Assist", Team="Reds", Player="Bea Fox"),
        ],
    )
    ws = Workspace(tmp_path / "ws", create=True)
    import_files("auto", [file], ws, quiet=True)
    rows = (
        ws.read("events").sort("order").select("period", "clock_s", "kind", "made", "value").rows()
    )
    assert rows == [
        (1, 450.0, "field_goal", True, 2), (1, 300.0, "field_goal", False, 3),
        (2, 600.0, "free_throw", True, 1),
    ]  # fmt: skip
    flags = ws.read("flags").select("check", "scope").rows()
    assert ("clock", "lineups") in flags
    assert ("unknown plays", "note") in flags
    assert ws.seasons() == [("sportscode", "22-23")]
    number = (
        ws.read("appearances").filter(pl.col("player_id").str.contains("ana"))["number"].to_list()
    )
    assert number == ["7"]


@pytest.mark.parametrize(
    ("instances", "said"),
    [
        ([tag(1, "2PT Made", Team="Reds", Period="1", Clock="9:00")], "the names of two teams"),
        (
            [tag(1, "2PT Made", Team="Reds"), tag(2, "Steal", Team="Blues")],
            "instances with codes such as '1st Quarter'",
        ),
    ],
)  # fmt: skip
def test_what_a_timeline_lacks_is_named(tmp_path, instances, said):
    with pytest.raises(BadInputError, match=said):
        import_files(
            "sportscode",
            [timeline(tmp_path, instances)],
            Workspace(tmp_path / "ws", create=True),
            options=ImportOptions(season="22-23"),
            quiet=True,
        )


def test_times_that_are_no_numbers_are_named_by_row(tmp_path):
    file = tmp_path / "x.xml"
    file.write_text(
        "<file><ALL_INSTANCES><instance><start>a</start><end>2</end><code>x</code></instance>"
        "<instance><start>3</start><end>2</end><code>x</code></instance></ALL_INSTANCES></file>"
    )
    with pytest.raises(BadInputError, match=r"row 1.*\n.*row 2"):
        read_instances(file)

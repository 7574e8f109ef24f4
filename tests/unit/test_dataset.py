"""The official layout: what is written is read back, and what is wrong on disk is found."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import polars as pl
import pytest
from helpers import numbered

from openbasket import tables
from openbasket.dataset.build import build
from openbasket.dataset.reader import SPLIT_FILES, read_split
from openbasket.dataset.rendered import load_benchmark
from openbasket.dataset.rendered import make as make_rendered
from openbasket.dataset.verify import verify
from openbasket.errors import BadInputError, NotFoundError, UnknownNameError
from openbasket.skills import OFFICIAL_ORDER, SKILL_KEYS
from openbasket.workspace import Workspace, write_json, write_text

SPLIT_OF = {"a": "train", "b": "train", "c": "val", "d": "test", "e": "cross_season"}
REVERSED = SKILL_KEYS.index("defensive_consistency")


@pytest.fixture(scope="module")
def reel(tmp_path_factory) -> bytes:
    path = numbered(tmp_path_factory.mktemp("reel") / "r.mp4", 12, width=704, height=400)
    return path.read_bytes()


def make(root: Path, reel: bytes, levels: int = 5) -> Workspace:
    """Five players; player ``b`` lacks the label of every second skill."""
    ws = Workspace(root, create=True)
    reels, labels, splits = [], [], []
    for number, (player, split) in enumerate(SPLIT_OF.items()):
        subject = f"{player}_L_21_22"
        path = ws.reel_path(player, "L", "21-22")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(reel)
        name = path.relative_to(ws.root).as_posix()
        reels += [(subject, 0, i, "c", "g", f"e{i}", 6 * i, 6, name) for i in range(2)]
        for k, skill in enumerate(SKILL_KEYS):
            known = player != "b" or k % 2 == 0
            level = (number + k) % levels if known else None
            labels.append((subject, skill, None, None, None, None, 5, level, "computed"))
        splits.append((subject, player, "L", "21-22", split, None))
    for table, rows in (("reels", reels), ("levels", labels), ("splits", splits)):
        ws.write(table, pl.DataFrame(rows, tables.dtypes(table), orient="row"))
    write_json(ws.private / "labels.json", {"settings": {"levels": levels}})
    return ws


@pytest.fixture
def built(tmp_path, reel) -> Workspace:
    ws = make(tmp_path / "ws", reel)
    build(ws)
    return ws


def rows_of(ws: Workspace, split: str = "train") -> list[list[str]]:
    with (ws.root / SPLIT_FILES[split]).open(newline="") as file:
        return list(csv.reader(file))


def rewrite(ws: Workspace, rows: list[list[str]], split: str = "train") -> None:
    write_text(ws.root / SPLIT_FILES[split], "\n".join(",".join(row) for row in rows) + "\n")


# -- write and read -------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [3, 5])
def test_what_is_written_is_read_back(tmp_path, reel, levels):
    ws = make(tmp_path / "ws", reel, levels)
    report = build(ws)
    assert report.rows == {
        "train": 2, "val": 1, "test": 1, "cross_season": 1, "cross_league": 0,
        "cross_season_and_league": 0,
    }  # fmt: skip
    assert (report.reels, report.left_out) == (5, 0)
    for number, (player, split) in enumerate(SPLIT_OF.items()):
        [sample] = [s for s in read_split(ws.root, split, levels=levels) if s.player_id == player]
        assert sample.subject_id == f"{player}_L_21_22"
        assert (sample.league, sample.season) == ("L", "21-22")
        assert sample.video == ws.reel_path(player, "L", "21-22")
        assert sample.levels == tuple(
            (number + k) % levels if player != "b" or k % 2 == 0 else None for k in range(20)
        )


def test_the_file_has_the_official_columns_and_one_of_them_reversed(built):
    header, first, second = rows_of(built)
    assert header == ["Video Path", *(s.name for s in OFFICIAL_ORDER)]
    assert first[0] == "BASKET/21-22/L/a_21_22.mp4"
    column = header.index("Defensive Consistency")
    assert column == 12
    assert first[column] == str(4 - REVERSED % 5)
    assert first[header.index("Turnovers")] == str(SKILL_KEYS.index("turnovers") % 5)
    assert second[column] == ""  # no label is no 4


def test_the_order_of_columns_and_the_kind_of_line_end_do_not_matter(built):
    wanted = read_split(built.root, "train")
    rows = rows_of(built)
    order = [0, *range(20, 0, -1)]
    text = "\r\n".join(",".join(row[i] for i in order) for row in rows)
    (built.root / SPLIT_FILES["train"]).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_split(built.root, "train") == wanted
    plain = [["video", *(f"label {i}" for i in range(20))], *rows[1:]]
    rewrite(built, plain)  # the header names no skill: the official order
    assert read_split(built.root, "train") == wanted
    keys = [["path", *(s.key.upper() for s in OFFICIAL_ORDER)], *rows[1:]]
    rewrite(built, keys)
    assert read_split(built.root, "train") == wanted


def test_absolute_paths_are_taken_as_they_are(built):
    rows = rows_of(built)
    for row in rows[1:]:
        row[0] = str(built.root / row[0])
    rewrite(built, rows)
    assert [s.player_id for s in read_split(built.root, "train")] == ["a", "b"]
    assert all(s.video.is_file() for s in read_split(built.root, "train"))


def test_all_faults_are_reported_together(built):
    header, first, second = rows_of(built)
    bad = [
        header,
        first,
        [second[0], "5", "-1", "x", *second[4:]],
        first,
        ["BASKET/21-22/L/nobody_21_22.mp4", *first[1:]],
        first[:7],
        ["../../other.mp4", *first[1:]],
    ]
    rewrite(built, bad)
    with pytest.raises(BadInputError) as caught:
        read_split(built.root, "train")
    found = [(p.row, p.field) for p in caught.value.problems]
    names = [s.name for s in OFFICIAL_ORDER[:3]]
    assert found == [
        (1, names[0]), (1, names[1]), (1, names[2]), (2, "path"), (3, "path"), (4, None), (5, "path"),
    ]  # fmt: skip
    assert "a whole number from 0 to 4" in str(caught.value)
    assert "also row 0" in str(caught.value)
    assert "lead out of" in str(caught.value)


def test_a_label_of_five_levels_is_no_label_of_three(built):
    with pytest.raises(BadInputError, match="from 0 to 2"):
        read_split(built.root, "train", levels=3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda h: [*h[:-1], "Dunking"], "a skill: Free Throw"),
        (lambda h: [*h[:-1], h[1]], "'Free Throw' 2 times"),
        (lambda h: h[:-1], "21: path and 20 labels"),
    ],
)
def test_a_wrong_header_is_refused(built, change, told):
    header, *rows = rows_of(built)
    rewrite(built, [change(header), *rows])
    with pytest.raises(BadInputError, match=told):
        read_split(built.root, "train")


def test_what_is_no_csv_is_refused(built):
    path = built.root / SPLIT_FILES["train"]
    path.write_bytes(b"")
    with pytest.raises(BadInputError, match="an empty file"):
        read_split(built.root, "train")
    path.write_bytes(b"\xff\xfe\x00v")
    with pytest.raises(BadInputError, match="a CSV in UTF-8"):
        read_split(built.root, "train")
    path.unlink()
    with pytest.raises(NotFoundError, match="openbasket build"):
        read_split(built.root, "train")
    with pytest.raises(UnknownNameError, match="Did you mean 'train'"):
        read_split(built.root, "trian")


def test_without_reels_nothing_is_built(built):
    built.write("reels", tables.empty("reels"))
    with pytest.raises(NotFoundError, match="--min-events"):
        build(built)


# -- verify ---------------------------------------------------------------------------------


def faults(ws: Workspace, deep: bool = False) -> list[tuple[str, str]]:
    return verify(ws, deep=deep, quiet=True).faults


def reel_of(ws: Workspace, player: str) -> tuple[Path, str]:
    path = ws.reel_path(player, "L", "21-22")
    return path, path.relative_to(ws.root).as_posix()


def test_a_good_dataset_has_no_faults(built):
    report = verify(built, deep=True, quiet=True)
    assert (report.rows, report.videos, report.decoded, report.faults) == (5, 5, 5, [])
    assert json.loads(json.dumps(report.to_json()))["faults"] == []


def test_three_levels_verify_and_are_checked_as_such(tmp_path, reel):
    ws = make(tmp_path / "ws", reel, 3)
    build(ws)
    assert faults(ws) == []
    header, first, second = rows_of(ws)
    rewrite(ws, [header, [first[0], "4", *first[2:]], second])
    [(what, fault)] = faults(ws)
    assert what == SPLIT_FILES["train"]
    assert "from 0 to 2" in fault


def test_a_missing_reel_is_found_once(built):
    path, name = reel_of(built, "a")
    path.unlink()
    assert faults(built) == [(name, "the file is missing")]


def test_changed_bytes_are_found(built):
    path, name = reel_of(built, "b")
    data = bytearray(path.read_bytes())
    place = data.index(b"x264 - core")  # a comment: it still decodes
    data[place] = ord("y")
    path.write_bytes(bytes(data))
    assert faults(built) == []
    assert faults(built, deep=True) == [(name, "the bytes are not those of the manifest")]
    path.write_bytes(bytes(data) + b"\0")
    [(what, fault)] = faults(built)
    assert what == name
    assert "bytes; the manifest says" in fault


def test_a_wrong_picture_size_rate_and_count_are_found(built):
    manifest = built.private / "manifest.json"
    manifest.unlink()
    path, name = reel_of(built, "c")
    numbered(path, 10)
    assert faults(built) == [
        (name, "96x64; the layout asks for 704x400"),
        (name, "10 frames; table 'reels' says 12"),
    ]
    path.write_bytes(b"no video")
    assert "cannot be read as video" in faults(built)[0][1]


def test_a_truncated_reel_is_found_by_decoding(built, tmp_path):
    (built.private / "manifest.json").unlink()
    path, _ = reel_of(built, "d")
    path.write_bytes(path.read_bytes()[:-2000])
    assert len(faults(built, deep=True)) == 1


def test_an_orphan_and_a_reel_in_two_splits_are_found(built):
    path, _ = reel_of(built, "a")
    path.with_name("z_21_22.mp4").write_bytes(path.read_bytes())
    assert faults(built) == [("BASKET/21-22/L/z_21_22.mp4", "a reel that no table knows")]
    path.with_name("z_21_22.mp4").unlink()
    rewrite(built, [*rows_of(built, "val"), rows_of(built, "train")[1]], "val")
    [(what, fault)] = faults(built)
    assert (what, fault) == (reel_of(built, "a")[1], "listed in 'val' and in another split")


def test_a_damaged_manifest_is_a_fault(built):
    write_text(built.private / "manifest.json", '{"reels": ')
    [(what, fault)] = faults(built)
    assert what == "openbasket/manifest.json"
    assert "build it again" in fault


def test_the_official_download_without_our_folder_verifies(built):
    import shutil

    shutil.rmtree(built.private)
    report = verify(Workspace(built.root), deep=True, quiet=True)
    assert (report.rows, report.videos, report.faults) == (5, 5, [])
    assert not built.private.exists()
    shutil.rmtree(built.official_labels)
    [(_, fault)] = faults(Workspace(built.root))
    assert fault == "no CSV of the official layout is there"


def test_the_manifest_says_how_many_levels_a_split_has(tmp_path):
    """Of three levels the official 0 of a reversed column is our 2; of five it would be 4."""
    cells = ",".join("0" for _ in OFFICIAL_ORDER)
    header = ",".join(["path", *(skill.name for skill in OFFICIAL_ORDER)])
    row = f"BASKET/21-22/L/p_21_22.mp4,{cells}"
    write_text(tmp_path / SPLIT_FILES["test"], f"{header}\n{row}\n")
    place = SKILL_KEYS.index("defensive_consistency")
    for levels in (None, 3):
        if levels is not None:
            write_json(tmp_path / "openbasket" / "manifest.json", {"levels": levels})
        [sample] = read_split(tmp_path, "test", require_videos=False)
        assert sample.levels[place] == (levels or 5) - 1


def test_reels_of_events_that_were_imported_anew_are_found(tmp_path):
    ws = Workspace(tmp_path / "mini", create=True)
    make_rendered(ws, load_benchmark("mini"), quiet=True)
    assert faults(ws) == []
    league, season = ws.seasons("events")[0]
    events = ws.read("events", league, season)
    reels = ws.read("reels").filter(pl.col("draw") == 0)
    shown = reels.join(events, on=["game_id", "event_id"], how="semi")
    path, game, event = shown.select("path", "game_id", "event_id").row(0)
    clips = reels.filter(pl.col("path") == path).height
    gone = (pl.col("game_id") == game) & (pl.col("event_id") == event)
    (player,) = events.filter(gone)["player_id"]
    somebody = events.filter(pl.col("player_id") != player)["player_id"][0]
    told = f"1 of {clips} clips show events that table 'events' has not, or has of somebody else"
    for other in (
        events.filter(~gone),
        events.with_columns(player_id=pl.when(gone).then(pl.lit(somebody)).otherwise("player_id")),
    ):
        ws.write("events", other, league, season)
        [(what, fault)] = faults(ws)
        assert what == path
        assert told in fault
    ws.write("events", events, league, season)
    assert faults(ws) == []


def test_what_reels_show_is_looked_for_in_their_own_season(tmp_path):
    ws = Workspace(tmp_path / "mini", create=True)
    make_rendered(ws, load_benchmark("mini"), quiet=True)
    reels = ws.read("reels").filter(pl.col("draw") == 0)
    seasons = ws.seasons("events")
    league, season = seasons[0]
    of_season = {path for path in reels["path"] if f"/{season}/{league}/" in f"/{path}"}
    assert of_season
    file = ws.table_path("events", league, season)
    whole = file.read_bytes()
    file.unlink()
    assert {what for what, _ in faults(ws)} == of_season
    file.write_bytes(whole[:-20])
    ((what, fault),) = faults(ws)
    assert what == "events of reels"
    assert "events" in fault
    file.write_bytes(whole)
    subjects = ws.read("subjects")
    ws.write("subjects", subjects.filter(pl.col("subject_id") != reels["subject_id"][0]))
    ((what, fault),) = faults(ws)
    assert (what, "does not have its player-season" in fault) == (reels["path"][0], True)
    ws.write("subjects", subjects)
    stray = ws.root / f"{reels['path'][0][:-5]}0.reel"
    stray.write_bytes((ws.root / reels["path"][0]).read_bytes())
    assert faults(ws) == [(stray.relative_to(ws.root).as_posix(), "a reel that no table knows")]

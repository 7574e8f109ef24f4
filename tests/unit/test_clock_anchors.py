from __future__ import annotations

from pathlib import Path

import pytest

from openbasket.clock.anchors import format_time, parse_time, read_anchors, write_anchors
from openbasket.clock.fit import GameClock
from openbasket.errors import BadInputError, NotFoundError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("8:41", 521.0), ("0:00", 0.0), ("1:02:03.5", 3723.5), ("75.25", 75.25), (" 10:00 ", 600.0)],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8:61",
        "1:60:00",
        "-3",
        "8.41:00",
        "ten",
        "8:41:",
        "9" * 400,
        "9" * 5000 + ":00:00",
        "\u0668:41",
        "8:41\n1",
    ],
)
def test_other_text_is_no_time(text: str) -> None:
    assert parse_time(text) is None


def test_a_file_survives_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("game_id,period,clock,media\ng1,1,10:00,0:03:12.4\ng1,1,8:41,5:02\n")
    anchors = read_anchors(path)
    assert anchors["clock_s"].to_list() == [600.0, 521.0]
    assert anchors["media_s"].to_list() == [192.4, 302.0]
    assert set(anchors["how"]) == {"given"}
    again = read_anchors(write_anchors(tmp_path / "b.csv", anchors))
    assert again.equals(anchors)


def test_a_frame_time_survives_to_the_microsecond() -> None:
    for frame in (1, 29, 108_001):
        assert parse_time(format_time(frame / 30)) == pytest.approx(frame / 30, abs=1e-6)


def test_all_bad_rows_are_reported_together(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("game_id,period,clock,media\ng1,0,8:41,1\ng1,1,8:99,1\ng2,1,8:00,-1\n")
    with pytest.raises(BadInputError) as caught:
        read_anchors(path, games=["g1"])
    fields = [(p.row, p.field) for p in caught.value.problems]
    assert fields == [(0, "period"), (1, "clock"), (2, "game_id"), (2, "media")]
    assert "a.csv, line 3, field 'clock': got '8:99'" in str(caught.value)


def test_missing_columns_empty_files_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("game_id,period\n")
    with pytest.raises(BadInputError, match="clock"):
        read_anchors(path)
    path.write_text("game_id,period,clock,media\n")
    with pytest.raises(BadInputError, match="no rows"):
        read_anchors(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="UTF-8"):
        read_anchors(path)
    with pytest.raises(NotFoundError, match="no file"):
        read_anchors(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("game_id,period,clock,media\ng1,1,10:00," + "9" * 400, "field 'media'"),
        ("game_id,period,clock,media\ng1," + "9" * 5000 + ",10:00,1", "field 'period'"),
        ('game_id,period,clock,media\ng1,1,10:00,"' + "1" * 200_000 + '"', "field larger"),
        ("game_id,period,clock,media,clock\ng1,1,10:00,1,9:00", "2 columns of this name"),
    ],
)
def test_odd_cells_and_columns_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(BadInputError, match=said) as caught:
        read_anchors(path)
    assert len(str(caught.value)) < 1000


def test_a_clock_seen_at_two_times_stood_still_or_contradicts_its_neighbours(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    head = "game_id,period,clock,media\ng1,1,10:00,1:00\ng1,1,9:00,2:00\n"
    path.write_text(head + "g1,1,9:00,2:30\n")
    assert GameClock(read_anchors(path)).span(1, 540.0) == (120.0, 150.0)
    path.write_text(head + "g1,1,10:00,9:00\n")
    with pytest.raises(BadInputError, match="the clock counts down"):
        GameClock(read_anchors(path))

"""Study: what is shown stays what was drawn, and nothing names the players."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import polars as pl
import pytest
from study_studies import LEAGUE, SEASON, dataset, unhurried, video

from openbasket.errors import BadInputError
from openbasket.study.checking import refuse_tags
from openbasket.study.opening import open_store
from openbasket.study.writing import create
from openbasket.workspace import Workspace

SETTINGS = {"league": LEAGUE, "season": SEASON, "players": 2, "sessions": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("basket") / "ws", players=6)


@pytest.fixture
def file(tmp_path, made) -> Path:
    """A study whose players were drawn."""
    shutil.copytree(made, tmp_path / "ws")
    create(tmp_path / "study.toml", tmp_path / "ws", SETTINGS)
    unhurried(tmp_path / "study.toml").close()
    open_store(tmp_path / "study.toml").database.close()
    return tmp_path / "study.toml"


def change(root: Path, edit) -> None:
    """Edit the rows of the test split."""
    place = root / "BASKET_Labels" / "BASKET" / "test.csv"
    rows = list(csv.reader(place.open()))
    edit(rows)
    with place.open("w", newline="") as text:
        csv.writer(text).writerows(rows)


def refused(file: Path) -> str:
    with pytest.raises(BadInputError) as caught:
        open_store(file)
    return str(caught.value)


def test_an_unchanged_dataset_opens_again(file):
    store = open_store(file)
    assert all(player.size for player in store.pool().values())
    store.database.close()


def test_labels_that_changed_or_went_are_all_told(file):
    def edit(rows):
        column = rows[0].index("Steals")
        rows[1][column] = str((int(rows[1][column]) + 1) % 3)
        rows[2][column] = ""
        del rows[3]

    change(file.parent / "ws", edit)
    told = refused(file)
    assert told.count("steals: level") == 2
    assert "steals: level none, was" in told
    assert "no such player any more" in told


def test_labels_of_others_of_the_split_are_noticed_too(file):
    def edit(rows):
        column = rows[0].index("Fouls")  # not rated in this study
        rows[1][column] = str((int(rows[1][column]) + 1) % 3)

    change(file.parent / "ws", edit)
    assert "other labels of split 'test'" in refused(file)


def test_videos_that_were_replaced_are_all_told(file):
    first, second, *_ = sorted((file.parent / "ws").rglob("*.mp4"))
    first.write_bytes(b"garbage")
    content = bytearray(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(content)
    told = refused(file)
    assert "it has 7 bytes, had" in told
    assert "its content is another" in told
    assert told.count("video '") == 2


def tagged(path: Path, **tags: str) -> Path:
    import av

    plain = video(path.with_suffix(".plain.mp4"))
    with av.open(str(plain)) as old, av.open(str(path), "w") as new:
        new.metadata.update(tags)
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    plain.unlink()
    return path


def test_videos_with_tags_are_refused_when_players_are_drawn(tmp_path, made):
    shutil.copytree(made, tmp_path / "ws")
    for path in sorted((tmp_path / "ws").rglob("*.mp4"))[:2]:
        tagged(path, title="Famous Name, secret league")
    with pytest.raises(BadInputError) as caught:
        create(tmp_path / "study.toml", tmp_path / "ws", SETTINGS)
    assert len(caught.value.problems) == 2
    assert "tags that may name the player: title" in str(caught.value)
    assert "-map_metadata -1" in str(caught.value)
    assert "Famous" not in str(caught.value)
    assert not (tmp_path / "study.toml").exists()


def test_a_video_of_an_encoder_has_no_tags_that_matter(tmp_path):
    refuse_tags(video(tmp_path / "x.mp4"))


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("title", "The Secret  League study"),
        ("contact", "famous-name-3@example.org"),
        ("consent", ["Fine.", "You see FAMOUS NAME 2 and others."]),
        ("consent", ["It is about Ada Lovelace."]),
        ("groups", [{"name": "secret-league fans"}]),
    ],
)
def test_texts_that_name_league_or_player_are_refused(tmp_path, made, setting, text):
    shutil.copytree(made, tmp_path / "ws")
    people = {"player_id": ["famous-name-1", "elsewhere"], "name": ["Ada Lovelace", "You"]}
    Workspace(tmp_path / "ws").write("players", pl.DataFrame(people))
    file = tmp_path / "study.toml"
    with pytest.raises(BadInputError, match="no name of league or player"):
        create(file, tmp_path / "ws", {**SETTINGS, setting: text})
    assert not file.exists()


def test_a_text_that_is_edited_later_is_refused_too(file):
    text = file.read_text().replace("How good are these", "Secret-League: how good are these")
    file.write_text(text)
    assert "field 'title'" in refused(file)

"""Damaged files of every format: a clean error or a flagged game, no traceback and no silent wrong count."""

from __future__ import annotations

import copy
import gzip
import io
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from formats.games import made_up_games
from formats.writers import WRITERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbasket.errors import OpenBasketError
from openbasket.tables import BOX_STATS
from openbasket.transcripts import PROVIDERS, ImportOptions, import_files
from openbasket.transcripts.box import count_box
from openbasket.workspace import Workspace

DATA = Path(__file__).resolve().parents[1] / "data"
OPTIONS = ImportOptions(league="league", season="22-23", gender="men", region="Europe")
#: Cases for each format; the long run has many more.
FEW, MANY = 6, int(os.environ.get("OPENBASKET_FUZZ_CASES", "150"))
JUNK: tuple[Any, ...] = (
    None, "", " ", "x", -1, 0, 3.5, 10**30, 1e308, True, [], {}, [[]], "\x00", "ž" * 300, "NaN", "99:99",
    "-5:00", "0000-00-00", {"a": {"b": []}}, "../../etc/passwd", "P T", "1e400",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, tuple[Path, dict[Any, tuple[int, ...]]]]:
    """For each format a folder with sound files, and the counts they give."""
    base = tmp_path_factory.mktemp("whole")
    found = {}
    for name in PROVIDERS:
        folder = base / name
        if name in WRITERS:
            folder.mkdir()
            WRITERS[name](made_up_games(base)[:1], folder)
        else:
            shutil.copytree(DATA / name, folder)
            for packed in folder.rglob("*.gz"):
                packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
                packed.unlink()
        ws = Workspace(base / f"ws-{name}", create=True)
        import_files(name, [folder], ws, options=OPTIONS, quiet=True)
        found[name] = folder, counts(ws)
    return found


def counts(ws: Workspace) -> dict[Any, tuple[int, ...]]:
    rows = count_box(ws.read("events"))
    return {(r["game_id"], r["player_id"]): tuple(r[s] for s in BOX_STATS) for r in rows.to_dicts()}


def damaged(file: Path, chance: random.Random) -> None:
    """Change one file a little, in a way that fits its kind or in any way."""
    content = file.read_bytes()
    if chance.random() < 0.2:
        file.write_bytes(bytes_damaged(content, chance))
    elif content[:4] == b"PAR1" or file.suffix == ".csv":
        table_damaged(file, content[:4] == b"PAR1", chance)
    elif content.lstrip()[:1] in (b"{", b"["):
        document = json.loads(content)
        for _ in range(chance.choice((1, 1, 1, 5, 30))):
            json_damaged(document, chance)
        file.write_text(json.dumps(document), encoding="utf-8")
    else:
        file.write_bytes(text_damaged(content.decode(), chance).encode())


def bytes_damaged(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    way = chance.randrange(4)
    if way == 0:
        return content[:at]
    if way == 1:
        return content[:at] + bytes(chance.randrange(256) for _ in range(9)) + content[at + 9 :]
    if way == 2:
        return b""
    return content[at:] + content[:at]


def text_damaged(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(chance.choice((1, 1, 5))):
        at = chance.randrange(len(lines))
        way = chance.randrange(4)
        if way == 0:
            del lines[at]
        elif way == 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif way == 2:
            inner = lines[at].partition(">")[0] + ">" + str(chance.choice(JUNK))
            lines[at] = inner + "</" + lines[at].rpartition("</")[2]
        else:
            lines[at] = "<!DOCTYPE x [<!ENTITY a 'b'>]>" if at < 3 else lines[at].upper()
        lines = lines or [""]
    return "\n".join(lines)


def table_damaged(file: Path, parquet: bool, chance: random.Random) -> None:
    frame = pl.read_parquet(file) if parquet else pl.read_csv(file, infer_schema=False)
    frame = frame.cast(pl.String)
    for _ in range(chance.choice((1, 1, 1, 4))):
        way = chance.randrange(7)
        column = chance.choice(frame.columns) if frame.width else None
        if column is None or not frame.height:
            break
        at = chance.randrange(frame.height)
        row = pl.int_range(pl.len()) == at
        if way <= 2:
            junk = chance.choice([str(j) if j is not None else None for j in JUNK])
            frame = frame.with_columns(
                pl.when(row).then(pl.lit(junk)).otherwise(column).alias(column)
            )
        elif way == 3:
            frame = frame.filter(~row)
        elif way == 4:
            frame = pl.concat([frame, frame[at : at + chance.randrange(1, 30)]])
        elif way == 5:
            frame = frame.drop(column) if chance.random() < 0.3 else frame.with_columns(
                pl.lit(None, pl.String).alias(column)
            )  # fmt: skip
        else:
            frame = frame.sample(fraction=1, shuffle=True, seed=chance.randrange(1000))
    if parquet:
        frame.write_parquet(file)
    else:
        buffer = io.BytesIO()
        frame.write_csv(buffer)
        file.write_bytes(buffer.getvalue())


def json_damaged(document: Any, chance: random.Random) -> None:
    """Replace, drop, double or move something somewhere in a document."""
    node = document
    for _ in range(chance.randrange(1, 7)):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = chance.choice(keys)
        if not isinstance(node[key], (dict, list)) or not node[key] or chance.random() < 0.1:
            break
        node = node[key]
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    key = chance.choice(keys)
    way = chance.randrange(4)
    if way == 0:
        del node[key]
    elif way == 1 and isinstance(node, list):
        node.insert(chance.randrange(len(node) + 1), node[key])
    elif way == 2 and isinstance(node, list):
        chance.shuffle(node)
    else:
        node[key] = copy.deepcopy(chance.choice(JUNK))


def tried(name: str, folder: Path, place: Path, sound: dict[Any, tuple[int, ...]]) -> str:
    """Import; what differs from the sound counts must be flagged."""
    ws = Workspace(place, create=True)
    try:
        report = import_files(name, [folder], ws, options=OPTIONS, quiet=True)
    except OpenBasketError as error:
        return "refused" if str(error).strip() else "refused without a word"
    if not report.seasons:
        return "nothing"
    flagged = set(ws.read("flags")["game_id"]) if ws.has("flags") else set()
    found = counts(ws)
    known = {game for game, _ in sound}
    for game in {game for game, _ in found} & known:
        # Who is written in another way is another person: the lines themselves count.
        mine, whole = (
            sorted(s for (g, _), s in part.items() if g == game and any(s))
            for part in (found, sound)
        )
        assert mine == whole or game in flagged, f"{game} differs without a flag"
    assert all(
        len(five) <= 5 or g in flagged
        for g, five in ws.read("stints").select("game_id", "player_ids").rows()
    )
    return "imported"


def run(name: str, cases: int, whole: Any, tmp_path: Path, seed: int) -> dict[str, int]:
    source, sound = whole[name]
    ends: dict[str, int] = {}
    for case in range(cases):
        chance = random.Random(f"{name} {seed} {case}")
        folder = tmp_path / "in"
        shutil.copytree(source, folder)
        files = sorted(f for f in folder.rglob("*") if f.is_file())
        file = chance.choice(files)
        damaged(file, chance)
        try:
            end = tried(name, folder, tmp_path / "ws", sound)
        except Exception as error:
            error.add_note(f"{name}, seed {seed}, case {case}, file {file.name}")
            raise
        ends[end] = ends.get(end, 0) + 1
        shutil.rmtree(folder)
        shutil.rmtree(tmp_path / "ws")
    return ends


@pytest.mark.parametrize("name", PROVIDERS)
def test_damaged_files_are_refused_or_flagged(name, whole, tmp_path):
    ends = run(name, FEW, whole, tmp_path, seed=0)
    assert sum(ends.values()) == FEW
    assert "refused without a word" not in ends


@pytest.mark.slow
@pytest.mark.parametrize("name", PROVIDERS)
def test_many_damaged_files_are_refused_or_flagged(name, whole, tmp_path):
    ends = run(name, MANY, whole, tmp_path, seed=MANY)
    assert sum(ends.values()) == MANY
    assert "refused without a word" not in ends
    assert ends.get("imported", 0) > 0


KEYS = st.sampled_from(
    ["Game", "Plays", "tm", "pbp", "resultSets", "headers", "rowSet", "game", "actions", "g", "pd", "pla", "row",
     "cells", "Rows", "FirstQuarter", "PLAYTYPE", "data", "periods", "1", "pl", "HomeTeam", "VisitingTeam"]
)  # fmt: skip
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=DOCUMENTS, name=st.sampled_from(["auto", *PROVIDERS]))
def test_any_json_is_refused_or_read(document, name, tmp_path):
    file = tmp_path / "any.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    tried(name, file, tmp_path / "ws", {})
    shutil.rmtree(tmp_path / "ws")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(max_size=400),
    name=st.sampled_from(["auto", *PROVIDERS]),
    tail=st.sampled_from(["csv", "xml", "txt"]),
)
def test_any_text_is_refused(text, name, tail, tmp_path):
    file = tmp_path / f"any.{tail}"
    file.write_text(text, encoding="utf-8", errors="replace")
    tried(name, file, tmp_path / "ws", {})
    shutil.rmtree(tmp_path / "ws")

"""Damaged files of every format: a clean error or a flagged game, no traceback and no silent wrong count.

What may come of a damaged file: an :class:`OpenBasketError` with a message, or tables in which every wrong
label is told. A label is wrong, and must be told, where

- a number differs from the official one of the same tables, or a player who acts is in no line of the box
  score: flag ``box score``;
- points do not add up to a final score that the tables know: flag ``final score``;
- a player's counts are not those of the sound file: a flag that the sound file does not have, or the flag
  ``no box score``, which says that counts could not be checked;
- more than five are on court, or one player twice: flag ``line-ups``.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import os
import random
import shutil
import signal
from collections.abc import Iterator
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
from openbasket.transcripts import PROVIDERS, ImportOptions, prepared
from openbasket.transcripts.box import count_box
from openbasket.transcripts.formats import module, sort_files
from openbasket.transcripts.inputs import staged

DATA = Path(__file__).resolve().parents[1] / "data"
OPTIONS = ImportOptions(league="league", season="22-23", gender="men", region="Europe")
#: Cases for each format; the long run has many more.
FEW, MANY = 8, int(os.environ.get("OPENBASKET_FUZZ_CASES", "2000"))
#: Seconds after which a case hangs.
PATIENCE_S = 60
JUNK: tuple[Any, ...] = (
    None, "", " ", "x", -1, 0, 3.5, 40, 99999, 10**30, -(10**19), 1e308, float("nan"), float("inf"), True, [], {}, [[]],
    "\x00", "ž" * 300, "NaN", "nan", "inf", "99:99", "-5:00", "PT99M", "PT-1M00.00S", "0000-00-00", "2022-13-45",
    {"a": {"b": []}}, "../../etc/passwd", "P T", "1e400", "1.5", "0x1F", "\uff11\uff12", "\u202e", "\U0001f469\u200d\U0001f9b0", "null", "None", "true",
)  # fmt: skip

Counts = dict[Any, tuple[int, ...]]
Told = set[tuple[str, ...]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, tuple[Path, Counts, Told]]:
    """For each format a folder with sound files, and the counts and flags they give."""
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
        tables = read(name, folder)
        assert tables, name
        found[name] = folder, counts(tables), told(tables)
    return found


def read(name: str, given: Path) -> list[dict[str, pl.DataFrame]]:
    """What an import would write, without writing it."""
    with staged([given]) as paths:
        files, _ = sort_files(name, paths)
        return [
            prepared(transcript)
            for one, mine in files.items()
            for transcript in module(one).read(mine, OPTIONS)
        ]


def counts(tables: list[dict[str, pl.DataFrame]]) -> Counts:
    rows = [row for part in tables for row in count_box(part["events"]).to_dicts()]
    return {(r["game_id"], r["player_id"]): tuple(r[s] for s in BOX_STATS) for r in rows}


def told(tables: list[dict[str, pl.DataFrame]]) -> Told:
    return {
        row for part in tables for row in part["flags"].select("game_id", "check", "reason").rows()
    }


# -- damage --------------------------------------------------------------------------------------


def damaged(folder: Path, chance: random.Random) -> None:
    """Change one file a little, in a way that fits its kind or in any way; or the set of files."""
    file = chance.choice(sorted(f for f in folder.rglob("*") if f.is_file()))
    if chance.random() < 0.06:
        return files_damaged(folder, file, chance)
    content = file.read_bytes()
    if chance.random() < 0.12:
        file.write_bytes(bytes_damaged(content, chance))
    elif content[:4] == b"PAR1" or file.suffix == ".csv":
        table_damaged(file, content[:4] == b"PAR1", chance)
    elif content.lstrip()[:1] in (b"{", b"["):
        document = json.loads(content)
        for _ in range(chance.choice((1, 1, 1, 5, 30))):
            json_damaged(document, chance)
        text = json.dumps(document)
        if chance.random() < 0.05:
            at = chance.randrange(len(text))
            text = (
                text[:at]
                + chance.choice(("[" * 100_000, "1" * 5000, "NaN", '{"a":' * 3000))
                + text[at:]
            )
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
    else:
        file.write_bytes(text_damaged(content.decode(), chance).encode())
    return None


def files_damaged(folder: Path, file: Path, chance: random.Random) -> None:
    way = chance.randrange(5)
    other = chance.choice(sorted(f for f in folder.rglob("*") if f.is_file()))
    if way == 0:
        file.unlink()
    elif way == 1:
        file.write_bytes(other.read_bytes())
    elif way == 2:
        file.rename(file.with_name(f"other_{file.name}"))
    elif way == 3:
        shutil.copy(file, file.with_name(f"copy_{file.name}"))
    else:
        with contextlib.suppress(UnicodeDecodeError):
            file.write_bytes(file.read_bytes().decode("utf-8").encode("utf-16"))


def bytes_damaged(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(max(len(content), 1))
    way = chance.randrange(6)
    if way == 0:
        return content[:at]
    if way == 1:
        return content[:at] + bytes(chance.randrange(256) for _ in range(9)) + content[at + 9 :]
    if way == 2:
        return b""
    if way == 3:
        return content + content
    if way == 4:
        return content[: chance.randrange(12)]
    return content[at:] + content[:at]


def text_damaged(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(chance.choice((1, 1, 5))):
        at = chance.randrange(len(lines))
        way = chance.randrange(6)
        if way == 0:
            del lines[at]
        elif way == 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif way == 2:
            inner = lines[at].partition(">")[0] + ">" + str(chance.choice(JUNK))
            lines[at] = inner + "</" + lines[at].rpartition("</")[2]
        elif way == 3:
            lines[at] = "<!DOCTYPE x [<!ENTITY a 'b'>]>" if at < 3 else lines[at].upper()
        elif way == 4:
            words = lines[at].split(" ")
            chance.shuffle(words)
            lines[at] = " ".join(words)
        else:
            start = chance.randrange(len(lines))
            part = lines[start : start + 40]
            chance.shuffle(part)
            lines[start : start + 40] = part
        lines = lines or [""]
    return "\n".join(lines)


def table_damaged(file: Path, parquet: bool, chance: random.Random) -> None:
    frame = pl.read_parquet(file) if parquet else pl.read_csv(file, infer_schema=False)
    frame = frame.cast(pl.String)
    for _ in range(chance.choice((1, 1, 1, 4))):
        if not frame.width or not frame.height:
            break
        frame = frame_damaged(frame, chance)
    if parquet:
        if chance.random() < 0.1:  # numbers of another type, as other tools write them
            frame = frame.select(pl.all().cast(pl.Float64, strict=False).fill_null(0))
        frame.write_parquet(file)
        return
    buffer = io.BytesIO()
    frame.write_csv(buffer, separator=";" if chance.random() < 0.03 else ",")
    content = buffer.getvalue()
    if chance.random() < 0.05:  # a column's name twice, or a row of another length
        head, _, rest = content.partition(b"\n")
        names = head.split(b",")
        content = b",".join([*names[:-1], chance.choice(names)]) + b"\n" + rest + b"1,2\n"
    file.write_bytes(content)


def frame_damaged(frame: pl.DataFrame, chance: random.Random) -> pl.DataFrame:
    column, other = chance.choice(frame.columns), chance.choice(frame.columns)
    at = chance.randrange(frame.height)
    row = pl.int_range(pl.len()) == at
    junk = chance.choice([str(j) if j is not None else None for j in JUNK])
    way = chance.randrange(15)
    if way <= 2:
        return frame.with_columns(pl.when(row).then(pl.lit(junk)).otherwise(column).alias(column))
    if way == 3:
        return frame.filter(~row)
    if way == 4:
        return pl.concat([frame, frame[at : at + chance.randrange(1, 30)]])
    if way == 5:
        return frame.drop(column)
    if way == 6:
        return frame.with_columns(pl.lit(None, pl.String).alias(column))
    if way == 7:
        return frame.sample(fraction=1, shuffle=True, seed=chance.randrange(1000))
    if way == 8:  # two columns exchange what is in them
        return (
            frame.with_columns(frame[column].alias(other), frame[other].alias(column))
            if column != other
            else frame
        )
    if way == 9:  # two cells of a column exchange what is in them
        values, to = frame[column].to_list(), chance.randrange(frame.height)
        values[at], values[to] = values[to], values[at]
        return frame.with_columns(pl.Series(column, values, pl.String))
    if way == 10:
        return frame.with_columns(pl.lit(junk, pl.String).alias(column))
    if way == 11:
        return frame[:at] if chance.random() < 0.5 else frame[at:]
    if way == 12:
        return frame.rename({column: column.lower() + "x"})
    if way == 13:  # a part stands elsewhere
        part = frame[at : at + 20]
        rest = pl.concat([frame[:at], frame[at + 20 :]])
        to = chance.randrange(rest.height + 1)
        return pl.concat([rest[:to], part, rest[to:]])
    return frame.with_columns(pl.col(column).str.reverse())


def containers(document: Any) -> Iterator[Any]:
    """The lists and objects of a document."""
    if isinstance(document, (dict, list)):
        yield document
        for inner in document.values() if isinstance(document, dict) else document:
            yield from containers(inner)


def json_damaged(document: Any, chance: random.Random) -> None:
    """Replace, drop, double, rename, exchange or move something somewhere in a document."""
    node = document
    # Half of the damage goes where the plays are: into a long list, or a record of it.
    long = [found for found in containers(document) if isinstance(found, list) and len(found) > 20]
    if long and chance.random() < 0.5:
        node = chance.choice(long)
        if chance.random() < 0.8:
            inner = chance.choice(node)
            node = inner if isinstance(inner, (dict, list)) and inner else node
    else:
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
    key, other = chance.choice(keys), chance.choice(keys)
    way = chance.randrange(9)
    if way == 0:
        del node[key]
    elif way == 1 and isinstance(node, list):
        node.insert(chance.randrange(len(node) + 1), copy.deepcopy(node[key]))
    elif way == 2 and isinstance(node, list):
        chance.shuffle(node)
    elif way == 3:
        node[key], node[other] = node[other], node[key]
    elif way == 4 and isinstance(node, dict):
        node[f"{key}x"] = node.pop(key)
    elif way == 5:  # another type: text for a number, an object for a list, a list for one
        value = node[key]
        if isinstance(value, list):
            node[key] = dict(enumerate(value))
        elif isinstance(value, dict):
            node[key] = list(value.values())
        else:
            node[key] = chance.choice((str(value), [value], {"value": value}))
    elif way == 6 and isinstance(node[key], list):
        del node[key][chance.randrange(len(node[key]) + 1) :]
    else:
        node[key] = copy.deepcopy(chance.choice(JUNK))


# -- what came of it -------------------------------------------------------------------------------


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Fail where a case hangs."""

    def stop(_number: int, _frame: object) -> None:
        raise AssertionError(f"no end after {PATIENCE_S} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tried(name: str, given: Path, sound: Counts, known: Told) -> str:
    """Import, and see that every wrong label is told."""
    with patience():
        try:
            tables = read(name, given)
        except OpenBasketError as error:
            return "refused" if str(error).strip() else "refused without a word"
    if not tables:
        return "refused"  # an import says that there are no games
    for part in tables:
        require_told(part)
    flags = told(tables)
    doubted = {game for game, check, reason in flags
               if check == "no box score" or (game, check, reason) not in known}  # fmt: skip
    found = counts(tables)
    games = {game for game, _ in sound}
    for game in {game for game, _ in found} & games:
        # Who is written in another way is another person: the lines themselves count.
        mine, theirs = (
            sorted(s for (g, _), s in part.items() if g == game and any(s))
            for part in (found, sound)
        )
        assert mine == theirs or game in doubted, f"{game} differs without a flag"
    return "the same" if found == sound and flags == known else "changed"


def require_told(tables: dict[str, pl.DataFrame]) -> None:
    """Every number that contradicts another one of the same tables is flagged."""
    flags = {check: set(part["game_id"]) for (check,), part in
             tables["flags"].partition_by("check", as_dict=True).items()}  # fmt: skip
    ours = {(r["game_id"], r["player_id"]): r for r in count_box(tables["events"]).to_dicts()}
    with_box = set(tables["box_scores"]["game_id"])
    listed = set()
    for line in tables["box_scores"].iter_rows(named=True):
        key = line["game_id"], line["player_id"]
        listed.add(key)
        same = all(
            line[stat] is None or line[stat] == ours.get(key, {}).get(stat, 0) for stat in BOX_STATS
        )
        assert same or key[0] in flags.get("box score", ()), f"{key} is not what the box score says"
    for key, row in ours.items():
        stranger = key[0] in with_box and key not in listed and any(row[s] for s in BOX_STATS)
        assert not stranger or key[0] in flags.get("box score", ()), f"{key} is in no box score"
    points: dict[Any, int] = {}
    for event in (
        tables["events"]
        .filter(pl.col("made") & pl.col("value").is_not_null())
        .iter_rows(named=True)
    ):
        key = event["game_id"], event["team_id"]
        points[key] = points.get(key, 0) + event["value"]
    for game in tables["games"].iter_rows(named=True):
        for side in ("home", "away"):
            score = game[f"{side}_score"]
            right = score is None or score == points.get(
                (game["game_id"], game[f"{side}_team_id"]), 0
            )
            told_of = right or game["game_id"] in flags.get("final score", ())
            assert told_of, f"{game['game_id']} does not add up to {score}"
    for game, five in tables["stints"].select("game_id", "player_ids").rows():
        fine = len(five) <= 5 and len(set(five)) == len(five)
        assert fine or game in flags.get("line-ups", ()), f"{game} has a line-up of {len(five)}"


def case(name: str, seed: int, number: int, whole: Any, tmp_path: Path) -> str:
    source, sound, known = whole[name]
    chance = random.Random(f"{name} {seed} {number}")
    folder = tmp_path / "in"
    shutil.copytree(source, folder)
    damaged(folder, chance)
    try:
        end = tried(chance.choice((name, name, "auto")), folder, sound, known)
    except BaseException as error:
        error.add_note(f"{name}, seed {seed}, case {number}")
        raise
    assert end != "refused without a word"
    shutil.rmtree(folder)
    return end


def run(name: str, cases: int, whole: Any, tmp_path: Path, seed: int) -> dict[str, int]:
    ends: dict[str, int] = {}
    for number in range(cases):
        end = case(name, seed, number, whole, tmp_path)
        ends[end] = ends.get(end, 0) + 1
    return ends


@pytest.mark.parametrize(
    ("name", "number"), [("nba_data", 621), ("nba_data", 1740), ("ncaa", 311), ("ncaa", 1598)]
)
def test_cases_that_once_failed(name, number, whole, tmp_path):
    assert case(name, 2000, number, whole, tmp_path) in ("refused", "changed")


@pytest.mark.parametrize("name", PROVIDERS)
def test_damaged_files_are_refused_or_flagged(name, whole, tmp_path):
    ends = run(name, FEW, whole, tmp_path, seed=0)
    assert sum(ends.values()) == FEW


@pytest.mark.slow
@pytest.mark.parametrize("name", PROVIDERS)
def test_many_damaged_files_are_refused_or_flagged(name, whole, tmp_path):
    ends = run(name, MANY, whole, tmp_path, seed=MANY)
    assert sum(ends.values()) == MANY
    # Neither may be the whole story: damage that is read, and damage that is refused.
    assert ends.get("changed", 0) > MANY / 50
    assert ends.get("refused", 0) > MANY / 50


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
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=DOCUMENTS, name=st.sampled_from(["auto", *PROVIDERS]))
def test_any_json_is_refused_or_read(document, name, tmp_path):
    file = tmp_path / "any.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    tried(name, file, {}, set())


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(max_size=400),
    name=st.sampled_from(["auto", *PROVIDERS]),
    tail=st.sampled_from(["csv", "xml", "txt"]),
)
def test_any_text_is_refused(text, name, tail, tmp_path):
    file = tmp_path / f"any.{tail}"
    file.write_text(text, encoding="utf-8", errors="replace")
    tried(name, file, {}, set())

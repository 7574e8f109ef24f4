"""Hudl SportsCode XML: timelines of coded instances, read as play-by-play and written for analysts.

An instance has a start and an end in the video (s), a code (the row of the timeline it lies in) and labels
in groups. What it says of the game is read from the labels ``Event``, ``Team``, ``Player``, ``Number``,
``Result``, ``Value``, ``Period`` and ``Clock`` (and those that :mod:`dataset.export.sportscode` adds); the
event may also be told by the code (``3PT made``), and event and result by labels without a group. Without
``Period`` and ``Clock`` the period is the instance of that name around it, the clock an estimate from the
video's time, and the line-ups are flagged.

Nacsport, LongoMatch and others write the same with tags in any case, times as ``12,5`` or ``0:01:12.5``,
several texts in a label, or the text in the label itself; some say UTF-16 and write UTF-8. XML is read with
defusedxml, instance by instance: document types, entities and deep nesting are refused.
"""

from __future__ import annotations

import datetime as dt
import io
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.tables import EVENT_KINDS
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek
from openbasket.transcripts.names import normal_name, slug
from openbasket.transcripts.plays import assemble, flag_frame, season_name

__all__ = ["FILES", "GAME_CODE", "Instance", "matches", "read", "read_instances", "to_xml"]

FILES = "SportsCode XML (ALL_INSTANCES, instance, code, label)"
#: Code of the instance whose labels tell of the game itself.
GAME_CODE = "Game"
#: The largest timelines have a few megabytes, and are five deep.
XML_LIMIT = 20_000_000
DEPTH_LIMIT = 20
#: Groups that mean the same, in lower case without blanks.
GROUPS = {
    "event": ("event", "action", "kind", "type", "play", "descriptor"),
    "team": ("team", "club", "side"),
    "player": ("player", "players", "athlete", "name"),
    "number": ("number", "jersey", "shirt", "shirtnumber"),
    "result": ("result", "outcome", "madeormissed"),
    "value": ("value", "points", "pts"),
    "period": ("period", "quarter", "half", "qtr"),
    "clock": ("clock", "gameclock", "time"),
}
#: Words of an event (as :func:`names.normal_name` has them) -> kind; the first that fits counts.
WORDS = {
    r"\b(?:period|quarter|half) start|start of": "period_start",
    r"\b(?:period|quarter|half) end|end of": "period_end",
    r"free throws?|\bfts?\b|\b1 ?pts?\b": "free_throw",
    r"off\w* reb\w*|\boreb\b|\borb\b": "offensive_rebound",
    r"def\w* reb\w*|\bdreb\b|\bdrb\b": "defensive_rebound",
    r"assist|\bast\b": "assist",
    r"turnovers?|\btov?\b|lost ball|bad pass|travel": "turnover",
    r"steal|\bstl\b": "steal",
    r"fouls? drawn|drawn foul|fouled|draws": "foul_drawn",
    r"foul|\bpf\b": "foul",
    r"\bsub\w* in\b|\benters\b|\bcheck\w* in\b": "sub_in",
    r"\bsub\w* out\b|\bleaves\b|\bcheck\w* out\b": "sub_out",
    r"time ?out": "timeout",
    r"\b[23] ?p(?:t|ts|oint\w*)?\b|\b[23]p[am]?\b|\b(?:two|three)\b|\bfg\w*\b|field goal|\bshot|lay ?up|dunk"
    r"|jumper|floater|hook|\bmid ?range": "field_goal",
    r"\bblk\b|block": "block",
}
MADE = re.compile(r"\b(?:made|make|makes|good|scored|yes|hit|basket)\b")
MISSED = re.compile(r"\b(?:miss|missed|misses|no|bad|blocked)\b")
PERIOD_CODE = re.compile(
    r"^(?:(?P<nth>[1-4])(?:st|nd|rd|th)? (?:quarter|period|half|qtr)"
    r"|(?:q|h|p|quarter|period|half|qtr) ?(?P<q>[1-4])|(?P<ot>(?:ot|overtime) ?(?P<n>\d?)))$"
)  # fmt: skip
CONTROL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Instance:
    """A coded stretch of video.

    Args:
        start_s: media time of its start (s).
        end_s: media time of its end (s).
        code: row of the timeline.
        labels: group and text, in order.
    """

    start_s: float
    end_s: float
    code: str
    labels: tuple[tuple[str, str], ...] = ()

    def label(self, group: str) -> str | None:
        """The first text of a group (of any of its names, :data:`GROUPS`), ``None`` without one."""
        names = GROUPS.get(group, (group,))
        plain = ((re.sub(r"[\s_]+", "", g).lower(), text.strip()) for g, text in self.labels)
        return next((text for g, text in plain if g in names and text), None)


def read_instances(path: Path) -> tuple[list[Instance], dt.datetime | None]:
    """Instances of a SportsCode XML file in the order of their starts, and when the session began.

    Raises:
        BadInputError: damaged or huge XML, XML with a document type or entities, another kind of
            XML, instances whose times are no numbers.
    """
    size = path.stat().st_size
    if size > XML_LIMIT:
        raise BadInputError(
            [Problem(str(path), None, None, f"{size:,} bytes", f"at most {XML_LIMIT:,}")]
        )
    raw = path.read_bytes()
    try:
        return _instances(path, raw)
    except BadInputError:
        # .NET programs call UTF-16 what they save as UTF-8.
        declared = re.match(rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\?>", raw)
        if declared is None or b"utf-16" not in declared[0].lower():
            raise
        return _instances(path, raw[declared.end() :])


def _instances(path: Path, raw: bytes) -> tuple[list[Instance], dt.datetime | None]:
    # Parsing a stranger's XML is what defusedxml is for; it is imported where it is needed.
    import defusedxml.ElementTree as DefusedET
    from defusedxml.common import DefusedXmlException

    found: list[Instance] = []
    problems: list[Problem] = []
    began: dt.datetime | None = None
    number = 0
    open_: list[ET.Element] = []
    tags: list[str] = []
    listed = False
    try:
        for step, node in DefusedET.iterparse(io.BytesIO(raw), ("start", "end"), forbid_dtd=True):
            if step == "start":
                open_.append(node)
                tags.append(node.tag.lower())
                if len(tags) > DEPTH_LIMIT:
                    given = f"more than {DEPTH_LIMIT} tags in each other"
                    raise BadInputError([Problem(str(path), number + 1, None, given, FILES)])
                listed |= tags[1:] == ["all_instances"]
                continue
            open_.pop()
            here = tags.pop()
            if here == "instance" and tags[-1:] == ["all_instances"]:
                number += 1
                instance = _instance(node)
                if isinstance(instance, str):
                    problems.append(
                        Problem(str(path), number, "start, end", instance, "seconds, in order")
                    )
                else:
                    found.append(instance)
            elif here == "start_time" and "session_info" in tags:
                began = _session(node.text) or began
            if open_ and len(open_) <= 2:
                open_[-1].clear()  # what was read is not kept
    except DefusedXmlException as error:
        given = f"a document type or an entity ({type(error).__name__})"
        raise BadInputError([Problem(str(path), None, None, given, "XML without either")]) from None
    except (ET.ParseError, ValueError, LookupError) as error:
        raise BadInputError(
            [Problem(str(path), None, None, str(error)[:160], "XML (is the file cut off?)")]
        ) from None
    if not listed:
        raise BadInputError([Problem(str(path), None, "ALL_INSTANCES", "none", FILES)])
    if problems:
        raise BadInputError(problems)
    return sorted(found, key=lambda instance: instance.start_s), began


def _instance(node: ET.Element) -> Instance | str:
    """An instance; where its times are none, what they are."""
    parts: dict[str, str] = {}
    labels: list[tuple[str, str]] = []
    for child in node:
        tag = child.tag.lower()
        if tag != "label":
            parts.setdefault(tag, (child.text or "").strip())
            continue
        inner = [(part.tag.lower(), (part.text or "").strip()) for part in child]
        group = next((text for name, text in inner if name == "group"), "")
        texts = [text for name, text in inner if name == "text"] or [(child.text or "").strip()]
        labels += [(group, text) for text in texts]
    start, end = _seconds(parts.get("start")), _seconds(parts.get("end"))
    if start is None or end is None or end < start:
        return f"{parts.get('start')!r} to {parts.get('end')!r}"
    return Instance(start, end, parts.get("code", ""), tuple(labels))


def _session(text: str | None) -> dt.datetime | None:
    found = re.match(r"\s*(\d{4}-\d{2}-\d{2})", text or "")
    try:
        return dt.datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def to_xml(instances: Sequence[Instance], *, began: dt.datetime | None = None) -> bytes:
    """A SportsCode XML document.

    Args:
        instances: what to write; blanks in their texts are written as one, control characters not at all.
        began: start of the session.
    """
    root = ET.Element("file")
    if began is not None:
        info = ET.SubElement(root, "SESSION_INFO")
        ET.SubElement(info, "start_time").text = began.strftime("%Y-%m-%d %H:%M:%S +0000")
    ET.SubElement(ET.SubElement(root, "SORT_INFO"), "sort_type").text = "sort order"
    listed = ET.SubElement(root, "ALL_INSTANCES")
    for number, instance in enumerate(instances, start=1):
        node = ET.SubElement(listed, "instance")
        ET.SubElement(node, "ID").text = str(number)
        ET.SubElement(node, "start").text = repr(float(instance.start_s))
        ET.SubElement(node, "end").text = repr(float(instance.end_s))
        ET.SubElement(node, "code").text = _clean(instance.code)
        for group, text in instance.labels:
            label = ET.SubElement(node, "label")
            ET.SubElement(label, "group").text = _clean(group)
            ET.SubElement(label, "text").text = _clean(text)
    rows = ET.SubElement(root, "ROWS")
    codes = list(dict.fromkeys(_clean(instance.code) for instance in instances))
    for place, code in enumerate(codes, start=1):
        row = ET.SubElement(rows, "row")
        ET.SubElement(row, "sort_order").text = str(place)
        ET.SubElement(row, "code").text = code
        for channel, value in zip("RGB", _colour(place), strict=True):
            ET.SubElement(row, channel).text = str(value)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def matches(seen: Peek) -> bool:
    """Whether a file is a SportsCode timeline."""
    tags = {key.lower() for key in seen.keys}
    return seen.kind == "xml" and (
        "all_instances" in tags or tags >= {"instance", "code"} or tags >= {"file", "rows", "row"}
    )


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each league and season.

    Raises:
        BadInputError: files that :func:`read_instances` refuses, without a season, with other than two
            teams, or without periods.
    """
    groups: dict[tuple[str, str], _Parts] = {}
    for file in files:
        instances, session = read_instances(file)
        about = next((i for i in instances if i.code == GAME_CODE), Instance(0, 0, GAME_CODE))
        date = _date(about.label("date")) or (session.date() if session else None)
        season = options.season or about.label("season")
        if season is None and date is not None:
            season = season_name(date.year - (date.month < 8))
        if season is None:
            problem = Problem(str(file), None, "season", "no start_time", "--season, such as 22-23")
            raise BadInputError([problem])
        league = options.league or about.label("league") or "sportscode"
        _add(groups.setdefault((league, season), _Parts()), file, instances, about, date)
    for (name, season), parts in groups.items():
        league, gender, region = options.place(name)
        given = parts.about.label("gender")
        yield assemble(
            "sportscode",
            league,
            season,
            pl.DataFrame(parts.games, infer_schema_length=None),
            pl.DataFrame(parts.rows, schema=_ROWS),
            gender=options.gender or (given if given in ("men", "women") else gender),
            region=region,
            flags=flag_frame(parts.flags),
            notes=parts.notes,
        )


@dataclass
class _Parts:
    games: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    flags: list[tuple[str, str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    about: Instance = Instance(0, 0, GAME_CODE)


_ROWS: dict[str, type[pl.DataType]] = {
    "game_id": pl.String, "period": pl.Int64, "clock_s": pl.Float64, "kind": pl.String, "team_id": pl.String,
    "player_id": pl.String, "name": pl.String, "number": pl.String, "made": pl.Boolean, "value": pl.Int64,
    "x_m": pl.Float64, "y_m": pl.Float64, "contested": pl.Boolean, "play": pl.Int64, "unknown": pl.String,
}  # fmt: skip


def _add(
    parts: _Parts, file: Path, instances: list[Instance], about: Instance, date: dt.date | None
) -> None:
    """Add a file's game."""
    game_id = slug(about.label("gameid") or file.stem)
    parts.about = about
    teams = _teams(instances, about, str(file))
    length = _number(about.label("periodlength")) or 600.0
    periods = int(_number(about.label("periods")) or 4)
    extra = _number(about.label("overtimelength")) or 300.0
    spans = _spans(instances, periods)
    rows, estimated = [], 0
    ordered = sorted(
        (i for i in instances if i.code != GAME_CODE and _period_of(i.code, periods) is None),
        key=lambda i: (_number(i.label("order")) or 0.0, i.start_s),
    )
    for instance in ordered:
        row = _row(instance, teams)
        if row is None:
            continue
        period, clock = (
            _period_label(instance.label("period"), periods),
            _clock(instance.label("clock")),
        )
        if period is None or clock is None:
            around = [s for s in spans if s[1] <= instance.start_s < s[2]]
            period = period or (around[0][0] if around else None)
            if period is None:
                row["kind"], row["unknown"] = None, "an instance outside of all periods"
            elif clock is None and around and around[0][2] > around[0][1]:
                estimated += 1
                whole = length if period <= periods else extra
                _, begin, end = around[0]
                clock = whole * (1 - (instance.start_s - begin) / (end - begin))
        rows.append(row | {"game_id": game_id, "period": period, "clock_s": clock})  # fmt: skip
    if not any(row["period"] for row in rows):
        allowed = "labels Period and Clock, or instances with codes such as '1st Quarter'"
        raise BadInputError([Problem(str(file), None, "Period", "no periods", allowed)])
    if estimated:
        reason = f"the clock of {estimated} instances is an estimate from the video's time"
        parts.flags.append((game_id, "clock", "lineups", reason))
    parts.rows += rows
    sides = list(teams)
    parts.games.append(
        {
            "game_id": game_id,
            "date": date,
            "home_team_id": teams[sides[0]],
            "away_team_id": teams[sides[1]],
            "home_team": sides[0],
            "away_team": sides[1],
            "home_score": _whole(about.label("homescore")),
            "away_score": _whole(about.label("awayscore")),
            "periods": periods if 1 <= periods <= 8 else 4,
            "period_s": length,
            "overtime_s": extra,
        }
    )
    if about.label("home") is None:
        parts.notes.append(f"{file.name} does not say who is at home; taken to be {sides[0]}")


def _teams(instances: list[Instance], about: Instance, where: str) -> dict[str, str]:
    """Names and ids of the two teams, the home side first."""
    names = [about.label("home"), about.label("away")]
    ids = [about.label("homeid"), about.label("awayid")]
    if not all(names):
        seen = [team for i in instances if i.code != GAME_CODE and (team := i.label("team"))]
        names = list(dict.fromkeys(seen))
        ids = [None] * len(names)
    if len(names) != 2 or names[0] == names[1]:
        given = ", ".join(str(name) for name in names[:4]) or "none"
        raise BadInputError([Problem(where, None, "label Team", given, "the names of two teams")])
    found = {str(name): key or slug(str(name)) for name, key in zip(names, ids, strict=True)}
    if len(set(found.values())) != 2:
        raise BadInputError([Problem(where, None, "label Team", str(names), "two different names")])
    return found


def _row(instance: Instance, teams: dict[str, str]) -> dict[str, Any] | None:
    told = instance.label("event") or instance.code
    if normal_name(told) == "clip":
        return None
    loose = " ".join(text for group, text in instance.labels if not group)
    kind = _kind(told) or _kind(loose)
    said = " ".join(filter(None, (instance.label("result"), told, loose)))
    plain = normal_name(said)
    team = instance.label("team") or (instance.code if instance.code in teams else None)
    name, number = _person(instance)
    team_id = teams.get(team) if team else None
    key = instance.label("playerid") or (
        f"{team_id}-{slug(name)}" if team_id and name and normal_name(name) else None
    )
    value = _whole(instance.label("value"))
    if value not in (1, 2, 3):
        value = 3 if re.search(r"\b3|three", plain) else 2 if re.search(r"\b2|two", plain) else None
    shot = kind in ("field_goal", "free_throw")
    made = bool(MADE.search(plain)) if MADE.search(plain) or MISSED.search(plain) else None
    unknown = None if kind else f"{told[:60]}"
    if kind == "field_goal" and value is None:
        value = 2
    if shot and made is None:
        kind, unknown = None, f"{told[:60]} without a result"
    contested = (instance.label("contested") or "").lower()
    return {
        "kind": kind,
        "team_id": team_id,
        "player_id": key,
        "name": name,
        "number": number,
        "made": made if shot or kind == "pass" else None,
        "value": value if kind == "field_goal" else None,
        "x_m": _number(instance.label("xm")),
        "y_m": _number(instance.label("ym")),
        "contested": contested == "yes" if contested in ("yes", "no") else None,
        "play": _whole(instance.label("playorder")),
        "unknown": unknown,
    }


def _kind(told: str) -> str | None:
    words = normal_name(told)
    exact = words.replace(" ", "_")
    if exact in EVENT_KINDS:
        return exact
    return next((kind for word, kind in WORDS.items() if re.search(word, words)), None)


def _person(instance: Instance) -> tuple[str | None, str | None]:
    """Name and number: ``"#12 Jane Doe"``, ``"12 Jane Doe"``, ``"Jane Doe"`` and label ``Number``."""
    text = instance.label("player")
    found = re.match(r"^#?(\d{1,2})[\s.-]+(\S.*)$", text or "")
    if found:
        return found[2], instance.label("number") or found[1]
    return text, instance.label("number")


def _spans(instances: list[Instance], periods: int) -> list[tuple[int, float, float]]:
    """Periods that have instances of their own: number, start and end."""
    found = ((_period_of(i.code, periods), i.start_s, i.end_s) for i in instances)
    return [(period, start, end) for period, start, end in found if period is not None]


def _period_of(code: str, periods: int) -> int | None:
    found = PERIOD_CODE.match(normal_name(code))
    if not found:
        return None
    if found["ot"]:
        return periods + int(found["n"] or 1)
    return int(found["nth"] or found["q"])


def _period_label(text: str | None, periods: int) -> int | None:
    if text is None:
        return None
    number = _whole(text)
    return number if number is not None and 1 <= number <= 100 else _period_of(text, periods)


def _clock(text: str | None) -> float | None:
    found = re.match(r"^(\d{1,3}):([0-5]?\d(?:\.\d+)?)$", text or "")
    return 60.0 * int(found[1]) + float(found[2]) if found else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None


def _seconds(text: str | None) -> float | None:
    """Seconds of ``12.5``, ``12,5`` and ``0:01:12.5``; before the video begins they are negative."""
    parts = [_number(part) for part in (text or "").strip().replace(",", ".").split(":")]
    negative = any(part is not None and part < 0 for part in parts)
    if len(parts) > 3 or None in parts or (negative and len(parts) > 1):
        return None
    value = 0.0
    for part in parts:
        value = 60 * value + (part or 0.0)
    return value if abs(value) < 1e6 else None


def _whole(text: str | None) -> int | None:
    value = _number(text)
    return int(value) if value is not None and abs(value) < 30_000 else None


def _date(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _clean(text: str) -> str:
    return " ".join(CONTROL.sub("", text).split())


def _colour(place: int) -> tuple[int, int, int]:
    """A colour for a row of the timeline (16 bits a channel, as SportsCode has them)."""
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(place * 0.381966 % 1, 0.6, 0.9)
    return round(red * 65535), round(green * 65535), round(blue * 65535)

"""A list of clips for other tools: CSV and SportsCode XML."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from openbasket.evaluation.formats import defused
from openbasket.explorer.catalogue import Clip
from openbasket.transcripts.sportscode import Instance, to_xml

__all__ = ["clips_csv", "clips_xml"]

COLUMNS = (
    "clip_id",
    "subject_id",
    "player",
    "game_id",
    "kind",
    "start_s",
    "end_s",
    "period",
    "clock_s",
)


def clips_csv(person: Mapping[str, Any], clips: Sequence[Clip]) -> str:
    """One row for each clip; times are seconds of the reel. No cell is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for clip in clips:
        texts = (clip.clip_id, person["subject_id"], person["name"], clip.game_id, clip.kind)
        numbers = (f"{clip.start_s:.3f}", f"{clip.end_s:.3f}", clip.period, clip.clock_s)
        writer.writerow([*map(defused, texts), *("" if n is None else n for n in numbers)])
    return out.getvalue()


def clips_xml(person: Mapping[str, Any], clips: Sequence[Clip]) -> bytes:
    """The reel as a SportsCode timeline: a row for each kind of event, times of the reel."""
    return to_xml(
        [
            Instance(
                clip.start_s,
                clip.end_s,
                clip.kind.replace("_", " "),
                (("Player", person["name"]), ("Game", clip.game_id), ("Clip", clip.clip_id)),
            )
            for clip in clips
        ]
    )

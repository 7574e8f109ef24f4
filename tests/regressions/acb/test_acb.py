"""Words of the ACB that the sample game does not have."""

from __future__ import annotations

import polars as pl
import pytest

from openbasket.transcripts.acb import _plays

ACTIONS = {
    "Antideportiva (2TL)": "foul", "Falta Antideportiva (2TL)": "foul", "Descalificante": "foul",
    "Descalificante al Entrenador": None, "Técnica (1TL)": "foul", "Técnica al Banquillo (1TL)": None,
    "Instant Replay": None, "IR - Revisión del reloj de partido": None, "Tiempo Muerto de TV": "timeout",
    "Tapón Recibido": "blocked", "Mate": "field_goal",
}  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
def test_words(action):
    row = {
        "game_id": "g", "team_id": "acb-t", "team": "T", "name": "Lee", "_key": "lee", "action": action,
        "period": "2PR", "time_point": "05:00",
    }  # fmt: skip
    play = _plays(pl.DataFrame([row])).row(0, named=True)
    assert (play["kind"], play["period"], play["unknown"]) == (ACTIONS[action], 6, None)

"""Every provider's real games against their official box scores and final scores."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pytest

from openbasket.errors import BadInputError
from openbasket.transcripts import import_files
from openbasket.transcripts.check import check
from openbasket.workspace import Workspace

pytestmark = pytest.mark.real_data


@dataclass(frozen=True)
class Bar:
    """What the games of a folder must reach.

    ``worst`` is the share of player-games in which the worst statistic agrees; ``minutes`` and
    ``plus_minus`` leave out games whose line-ups are flagged; ``five`` is of the time of play.
    """

    provider: str
    path: str
    games: int
    worst: float | None = None
    minutes: float | None = None
    plus_minus: float | None = None
    five: float = 0.99
    scores: float = 1.0
    flagged: float = 0.1  # share of games with a flag that leaves something out


BARS = (
    Bar("euroleague", "events/euroleague", 2216, 1.0, 0.99, flagged=0.2),
    Bar("euroleague", "events/eurocup", 1058, 1.0, 0.99, flagged=0.11),
    Bar("aba", "events/aba", 773, 0.997, 0.995, 0.99, scores=0.997),
    Bar("slo", "events/slo", 1230, 0.997, 0.99, 0.995, scores=0.99),
    Bar("nba_data", "events", 399, 0.988, 0.99, 0.98, scores=0.997),
    Bar("atrium", "events/lnb", 1479, scores=0.995),
    Bar("sidearm", "events/ncaaw_sidearm", 391, 0.998, five=0.85, scores=0.997, flagged=0.5),
    Bar("espn", "events/ncaaw_espn", 40, 0.98, flagged=0.61),
    Bar("bbref", "events/nba_bbref", 1055, five=0.97, flagged=0.2),
    Bar("acb", "events/acb", 1),
    Bar("nba_stats", "raw_samples/nba_stats_v2", 1, 1.0, 1.0, 1.0),
    Bar("nba_stats", "raw_samples/gleague_stats_v2", 1, 1.0, 1.0, 1.0),
    Bar("nba_live", "raw_samples/nba_cdn_live", 1, 1.0, 1.0, 1.0),
    Bar("sidearm", "raw_samples/sidearm_ncaaw", 1, 1.0),
    Bar("atrium", "raw_samples/lnb_atrium", 1),
    Bar("aba", "raw_samples/aba_scraped", 1, 1.0, 1.0),
    Bar("slo", "raw_samples/slo_scraped", 1, 1.0, 1.0),
    Bar("bbref", "raw_samples/bbref_json", 1),
    Bar("espn", "raw_samples/espn_wehoop", 1),
)


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: f"{bar.provider}-{bar.path.split('/')[-1]}")
def test_real_games_agree_with_their_official_boxes(real_data, tmp_path, bar):
    ws = Workspace(tmp_path, create=True)
    inputs = [real_data / bar.path]
    if bar.provider == "nba_data":
        inputs = [real_data / "events" / "nba_data_net", real_data / "events" / "nba_stats"]
    import_files(bar.provider, inputs, ws, quiet=True)
    report = check(ws)
    assert report.games == bar.games
    if bar.worst is not None:
        assert min(report.agreement.values()) >= bar.worst
        assert report.player_games > 5 * bar.games

    def share(name: str) -> float:
        pairs = [getattr(season, name) for season in report.seasons]
        return sum(p[0] for p in pairs) / sum(p[1] for p in pairs)

    assert share("final_scores") >= bar.scores
    if bar.minutes is not None:
        assert share("trusted_minutes") >= bar.minutes
    if bar.plus_minus is not None:
        assert share("trusted_plus_minus") >= bar.plus_minus
    played = sum(season.games for season in report.seasons)
    five = sum(season.five * season.games for season in report.seasons) / played
    assert five >= bar.five
    flags = ws.read("flags").filter(pl.col("scope") != "note")
    assert flags["game_id"].n_unique() <= max(bar.flagged * bar.games, 0)
    assert (
        flags["reason"].str.len_chars().min() is None or flags["reason"].str.len_chars().min() > 5
    )


def test_auto_finds_the_format_of_every_sample(real_data, tmp_path):
    """Files of twelve formats in one folder tree go to their own readers; leagues are theirs."""
    samples = real_data / "raw_samples"
    found = {}
    for folder in sorted(samples.iterdir()):
        if folder.name in ("nba_playbyplayv2_csv",):
            continue
        ws = Workspace(tmp_path / folder.name, create=True)
        try:
            report = import_files("auto", [folder], ws, quiet=True)
        except BadInputError as error:  # the samples of v3 bodies hold no play-by-play
            found[folder.name] = type(error).__name__
            continue
        found[folder.name] = "+".join(sorted({s["provider"] for s in report.seasons}))
    assert found == {
        "aba_scraped": "aba",
        "bbref_json": "bbref",
        "espn_wehoop": "espn",
        "euroleague_live_api": "euroleague",
        "gleague_stats_v2": "nba_stats",
        "lnb_atrium": "atrium",
        "nba_cdn_live": "nba_live",
        "nba_data_net": "nba_data",
        "nba_stats_v2": "nba_stats",
        "nba_stats_v3": "BadInputError",
        "sidearm_ncaaw": "sidearm",
        "slo_scraped": "slo",
        "wnba_stats": "nba_stats+nba_stats_v3",
    }

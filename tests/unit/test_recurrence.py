"""Which team is in all clips of a reel, and what follows for the player's part."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from openbasket.models import create_model
from openbasket.models.questions import ANSWERS, ATTACKING, PLACES, TARGETS
from openbasket.models.recurrence import known_by_recurrence, recurring_side

PARTS = TARGETS["part"]


def season(clips: int, seed: int = 0, noise: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of the teams of each clip, of which one is in all, and whether it is the home team."""
    rng = torch.Generator().manual_seed(seed)
    known = F.normalize(torch.randn(12, 16, generator=rng), dim=1)
    others = torch.randint(1, 12, (clips,), generator=rng)
    at_home = torch.rand(clips, generator=rng) < 0.5
    home = torch.where(at_home[:, None], known[0], known[others])
    away = torch.where(at_home[:, None], known[others], known[0])
    teams = torch.stack([home, away], 1)
    return F.normalize(teams + noise * torch.randn(teams.shape, generator=rng) / 4, dim=2), at_home


def answers(**given: dict[str, float]) -> torch.Tensor:
    """Probabilities of all answers of one clip: even, but for those given."""
    told = []
    for name, names in TARGETS.items():
        own = given.get(name)
        told += [own.get(n, 0.0) if own else 1 / len(names) for n in names]
    return torch.tensor(told)


def answer(told: torch.Tensor, name: str) -> dict[str, float]:
    return dict(zip(TARGETS[name], told[PLACES[name]].tolist(), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_the_team_that_is_in_all_clips_is_found(seed: int) -> None:
    teams, at_home = season(50, seed)
    found = recurring_side(teams[None], torch.ones(1, 50, dtype=torch.bool))[0]
    assert ((found > 0.5) == at_home).all()
    assert torch.where(at_home, found, 1 - found).mean() > 0.95


@pytest.mark.parametrize("clips", [5, 10])
def test_few_clips_are_enough(clips: int) -> None:
    right = []
    for seed in range(20):
        teams, at_home = season(clips, 100 + seed)
        found = recurring_side(teams[None], torch.ones(1, clips, dtype=torch.bool))[0]
        right += ((found > 0.5) == at_home).tolist()
    assert sum(right) / len(right) > 0.9


def test_one_clip_at_home_and_one_away_are_enough() -> None:
    team, x, y = torch.eye(16)[:3]
    teams = torch.stack([torch.stack([team, x]), torch.stack([y, team])])
    found = recurring_side(teams[None], torch.ones(1, 2, dtype=torch.bool))[0]
    assert found[0] > 0.9
    assert found[1] < 0.1


def test_where_no_team_recurs_little_is_sure() -> None:
    rng = torch.Generator().manual_seed(0)
    noise = F.normalize(torch.randn(40, 50, 2, 16, generator=rng), dim=3)
    found = recurring_side(noise, torch.ones(40, 50, dtype=torch.bool))
    assert ((found - 0.5).abs() > 0.4).float().mean() < 0.5


def test_a_team_that_a_transcript_has_told_is_believed() -> None:
    teams, at_home = season(12)
    told = torch.stack(
        [
            answers(
                part={"steal": 0.5, "turnover": 0.5},
                offence={"home": 1.0},
                team={"away": 1.0} if home else {"home": 1.0},  # the contrary of what recurs
            )
            for home in at_home
        ]
    )
    known = known_by_recurrence(told[None], teams[None], torch.ones(1, 12, dtype=torch.bool))[0]
    for clip, home in zip(known, at_home, strict=True):
        part = answer(clip, "part")
        assert max(part, key=lambda name: part[name]) == ("steal" if home else "turnover")


def test_the_order_of_clips_and_those_that_are_not_there_are_nothing() -> None:
    teams, _ = season(20)
    there = torch.ones(1, 20, dtype=torch.bool)
    found = recurring_side(teams[None], there)
    order = torch.tensor([(7 * k + 3) % 20 for k in range(20)])
    torch.testing.assert_close(recurring_side(teams[None, order], there), found[:, order])
    more = torch.cat([teams, season(7, 9)[0]])
    there = torch.tensor([[True] * 20 + [False] * 7])
    torch.testing.assert_close(recurring_side(more[None], there)[:, :20], found)


def test_clips_of_one_game_do_not_tell_whose_they_are() -> None:
    game = season(1)[0][None].expand(1, 9, 2, 16)
    found = recurring_side(game, torch.ones(1, 9, dtype=torch.bool))
    torch.testing.assert_close(found, torch.full((1, 9), 0.5))


def test_who_steals_is_not_he_who_loses_the_ball() -> None:
    teams, at_home = season(30)
    doubt = {"steal": 0.45, "turnover": 0.55}
    home_attacks = answers(part=doubt, offence={"home": 1.0})
    told = home_attacks.expand(1, 30, ANSWERS)
    known = known_by_recurrence(told, teams[None], torch.ones(1, 30, dtype=torch.bool))[0]
    for clip, home in zip(known, at_home, strict=True):
        part = answer(clip, "part")
        assert max(part, key=lambda name: part[name]) == ("turnover" if home else "steal")
        assert sum(part.values()) == pytest.approx(1)
        assert (answer(clip, "team")["home"] > 0.5) == home
        assert answer(clip, "offence") == {"home": 1.0, "away": 0.0}
        for name in set(TARGETS) - {"part", "team"}:
            assert answer(clip, name) == answer(home_attacks, name)


def test_nothing_is_known_where_nothing_tells() -> None:
    told = answers(part={"steal": 0.3, "turnover": 0.7}, offence={"home": 1.0}).expand(
        1, 8, ANSWERS
    )
    there = torch.ones(1, 8, dtype=torch.bool)
    assert torch.equal(known_by_recurrence(told, torch.zeros(1, 8, 2, 16), there), told)


def test_parts_of_either_side_are_known() -> None:
    assert set(PARTS) > ATTACKING
    assert set(PARTS) - ATTACKING == {"defensive_rebound", "steal", "block", "foul"}


def test_reels_that_are_settled_say_the_same_and_stay_so() -> None:
    torch.manual_seed(0)
    model = create_model("skillquery-tiny").eval()
    features = torch.rand(3, 6, ANSWERS + 32)
    features[1, 4:] = torch.nan
    settled = model.heads.settled(features.flatten(1))
    torch.testing.assert_close(model.heads(settled), model.heads(features.flatten(1)))
    torch.testing.assert_close(model.heads.settled(settled), settled, equal_nan=True)
    assert not torch.allclose(settled.nan_to_num(), features.flatten(1).nan_to_num())
    other = create_model("skillquery-tiny", recurs=False).eval()
    other.load_state_dict(model.state_dict())
    assert not torch.allclose(other.heads(features.flatten(1)), model.heads(features.flatten(1)))

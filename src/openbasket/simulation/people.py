"""Invented people: names, bodies and 20 latent skills."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

from openbasket.skills import SKILLS

__all__ = [
    "HEIGHT_CM",
    "POSITIONS",
    "PROFILE",
    "Person",
    "drifted",
    "new_person",
    "stream",
    "talents",
    "team_names",
]

POSITIONS = ("guard", "wing", "big")
#: How far a position's mean lies from the average player, in standard deviations.
PROFILE: dict[str, dict[str, float]] = {
    "guard": {
        "three_point": 0.4, "free_throw": 0.4, "assists": 0.8, "passing_accuracy": 0.3,
        "steals": 0.4, "rebounds": -0.5, "offensive_rebounds": -0.6, "defensive_rebounds": -0.5,
        "contribution": 0.3, "two_point": -0.3,
    },
    "wing": {"three_point": 0.2, "points_allowed": 0.1, "steals": 0.1},
    "big": {
        "three_point": -0.7, "free_throw": -0.5, "assists": -0.6, "passing_accuracy": -0.3,
        "steals": -0.3, "rebounds": 0.6, "offensive_rebounds": 0.7, "defensive_rebounds": 0.6,
        "two_point": 0.5, "contested_shots": 0.3, "fouls": -0.3, "contribution": -0.2,
    },
}  # fmt: skip
HEIGHT_CM = {"guard": 188.0, "wing": 199.0, "big": 208.0}
WOMEN_SHORTER_CM = 12.0
#: Shares of a skill's variance that one common talent brings, and one for its category.
TALENT, CATEGORY = 0.12, 0.15
#: How much of a latent skill is new after a year, as a share of its standard deviation.
DRIFT = 0.25
#: Syllables of first and last names.
FIRST = (
    (
        "Al", "Be", "Da", "Em", "Fi", "Ga", "Ili", "Jo", "Ka", "Lu", "Ma", "Ni", "Or",
        "Pa", "Ro", "Sa", "Te", "Vi",
    ),
    (
        "ra", "ne", "lo", "mi", "va", "di", "ko", "sa", "ri", "to", "la", "n",
    ),
)  # fmt: skip
LAST = (
    (
        "Bar", "Cor", "Dal", "Fen", "Gar", "Hol", "Jan", "Kes", "Lind", "Mor", "Nor",
        "Pell", "Quil", "Ros", "Sand", "Tor", "Ul", "Wes",
    ),
    (
        "an", "berg", "deen", "ero", "field", "gaard", "ic", "kova", "ley", "mark", "nes",
        "ova", "quist", "son", "ton", "vale",
    ),
)  # fmt: skip
COUNTRIES = (
    "ALB", "BEL", "CAN", "DNK", "ESP", "FRA", "GEO", "HUN", "ITA", "JPN", "LTU", "NGA",
    "PRT", "SEN", "TUN", "URY",
)  # fmt: skip
PLACES = (
    "Alder", "Birch", "Cedar", "Dune", "Elm", "Fjord", "Glen", "Harbour", "Isle",
    "Juniper", "Kestrel", "Lake", "Mill", "North", "Oak", "Port", "Quarry", "River",
    "Stone", "Tide",
)  # fmt: skip
ANIMALS = (
    "Bears", "Cranes", "Eagles", "Foxes", "Hawks", "Herons", "Lions", "Lynxes", "Otters",
    "Owls", "Ravens", "Rams", "Sharks", "Stags", "Swifts", "Terns", "Tigers", "Wolves",
    "Bisons", "Cobras",
)  # fmt: skip


@dataclass
class Person:
    """An invented player.

    Args:
        player_id: identifier.
        name: invented.
        gender: ``men`` or ``women``.
        position: guard, wing or big.
        height_cm: height.
        birth_date: day of birth.
        nationality: three letters.
        number: jersey.
        skills: skill key -> latent value, standard deviations from the average player; more is better.
    """

    player_id: str
    name: str
    gender: str
    position: str
    height_cm: float
    birth_date: dt.date
    nationality: str
    number: str = "0"
    skills: dict[str, float] = field(default_factory=dict)

    @property
    def talent(self) -> float:
        """Mean of the latent skills: who starts and who sits."""
        return sum(self.skills.values()) / len(self.skills)


def stream(*parts: object) -> random.Random:
    """A random stream of its own for each purpose, so that adding one changes no other."""
    text = "\x1f".join(map(str, parts))
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def talents(count: int, present: Sequence[Person], roster: int) -> list[float]:
    """Common talents for ``count`` newcomers, so that every roster has its stars and its last men.

    A roster's talents lie near the quantiles of the normal distribution: leagues with a draft or
    a salary rule are balanced, and games are close. Best first.
    """
    normal = NormalDist()
    wanted = [normal.inv_cdf(1 - (i + 0.5) / roster) for i in range(roster)]
    for person in sorted(present, key=lambda p: (-p.talent, p.player_id)):
        nearest = min(wanted, key=lambda z: abs(z - person.talent / TALENT**0.5))
        wanted.remove(nearest)
    step = len(wanted) / max(1, count)
    return [wanted[int(i * step)] for i in range(count)]


def new_person(
    player_id: str, gender: str, position: str, year: int, seed: int, talent: float | None = None
) -> Person:
    """Invent a player for a season that starts in ``year``.

    A latent skill is the mean of the position (:data:`PROFILE`) plus a normal value of variance 1,
    of which :data:`TALENT` is common to all skills and :data:`CATEGORY` to those of a category.

    Args:
        player_id: identifier; with ``seed`` it decides everything that is random.
        gender: ``men`` or ``women``.
        position: guard, wing or big.
        year: in which the season starts.
        seed: of the simulation.
        talent: the common talent, a standard normal value; drawn if not given.
    """
    rng = stream("person", seed, player_id)
    drawn = rng.gauss(0, 1)
    common = drawn if talent is None else talent
    by_category = {s.category: rng.gauss(0, 1) for s in reversed(SKILLS)}
    skills = {
        s.key: PROFILE[position].get(s.key, 0.0)
        + TALENT**0.5 * common
        + CATEGORY**0.5 * by_category[s.category]
        + (1 - TALENT - CATEGORY) ** 0.5 * rng.gauss(0, 1)
        for s in SKILLS
    }
    name = " ".join("".join(rng.choice(part) for part in parts) for parts in (FIRST, LAST))
    height = rng.gauss(HEIGHT_CM[position] - WOMEN_SHORTER_CM * (gender == "women"), 5)
    born = dt.date(year - 1, 7, 1) - dt.timedelta(days=round(rng.uniform(19, 34) * 365.25))
    return Person(
        player_id, name, gender, position, round(height), born, rng.choice(COUNTRIES), skills=skills
    )


def drifted(person: Person, year: int, seed: int, spread: float = DRIFT) -> Person:
    """The same person a season later: skills have moved a little around the position's mean."""
    rng = stream("drift", seed, person.player_id, year)
    keep = (1 - spread**2) ** 0.5
    mean = PROFILE[person.position]
    skills = {
        key: mean.get(key, 0.0) + keep * (value - mean.get(key, 0.0)) + rng.gauss(0, spread)
        for key, value in person.skills.items()
    }
    return dataclasses.replace(person, skills=skills)


def team_names(count: int, league: str, seed: int) -> list[tuple[str, str]]:
    """Invent ``count`` (team id, name) pairs; ids have three letters."""
    rng = stream("teams", seed, league)
    places = rng.sample(PLACES, len(PLACES))
    animals = rng.sample(ANIMALS, len(ANIMALS))
    names: dict[str, str] = {}
    for number in range(count):
        place = places[number % len(places)]
        animal = animals[(number * 7 + number // 20) % len(animals)]
        letters = (place[:2] + animal[0]).upper()
        code = next(
            c for c in (letters, *(f"{letters[:2]}{d}" for d in range(100))) if c not in names
        )
        names[code] = f"{place} {animal}"
    return list(names.items())

"""Invented people: names, bodies and 20 latent skills."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from dataclasses import dataclass, field

from openbasket.skills import SKILL_KEYS

__all__ = ["Person", "drifted", "new_person", "stream", "team_names"]

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
#: Share of a skill's variance that one common talent brings.
TALENT = 0.25
FIRST = (
    (
        "Al",
        "Be",
        "Da",
        "Em",
        "Fi",
        "Ga",
        "Ili",
        "Jo",
        "Ka",
        "Lu",
        "Ma",
        "Ni",
        "Or",
        "Pa",
        "Ro",
        "Sa",
        "Te",
        "Vi",
    ),
    ("ra", "ne", "lo", "mi", "va", "di", "ko", "sa", "ri", "to", "la", "n"),
)
LAST = (
    (
        "Bar",
        "Cor",
        "Dal",
        "Fen",
        "Gar",
        "Hol",
        "Jan",
        "Kes",
        "Lind",
        "Mor",
        "Nor",
        "Pell",
        "Quil",
        "Ros",
        "Sand",
        "Tor",
        "Ul",
        "Wes",
    ),
    (
        "an",
        "berg",
        "deen",
        "ero",
        "field",
        "gaard",
        "ic",
        "kova",
        "ley",
        "mark",
        "nes",
        "ova",
        "quist",
        "son",
        "ton",
        "vale",
    ),
)
COUNTRIES = (
    "ALB",
    "BEL",
    "CAN",
    "DNK",
    "ESP",
    "FRA",
    "GEO",
    "HUN",
    "ITA",
    "JPN",
    "LTU",
    "NGA",
    "PRT",
    "SEN",
    "TUN",
    "URY",
)
PLACES = (
    "Alder", "Birch", "Cedar", "Dune", "Elm", "Fjord", "Glen", "Harbour", "Isle", "Juniper",
    "Kestrel", "Lake", "Mill", "North", "Oak", "Port", "Quarry", "River", "Stone", "Tide",
)  # fmt: skip
ANIMALS = (
    "Bears", "Cranes", "Eagles", "Foxes", "Hawks", "Herons", "Lions", "Lynxes", "Otters", "Owls",
    "Ravens", "Rams", "Sharks", "Stags", "Swifts", "Terns", "Tigers", "Wolves", "Bisons", "Cobras",
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


def new_person(player_id: str, gender: str, position: str, year: int, seed: int) -> Person:
    """Invent a player for a season that starts in ``year``."""
    rng = stream("person", seed, player_id)
    talent = rng.gauss(0, 1)
    skills = {
        key: PROFILE[position].get(key, 0.0)
        + TALENT**0.5 * talent
        + (1 - TALENT) ** 0.5 * rng.gauss(0, 1)
        for key in SKILL_KEYS
    }
    name = " ".join("".join(rng.choice(part) for part in parts) for parts in (FIRST, LAST))
    height = rng.gauss(HEIGHT_CM[position] - (12 if gender == "women" else 0), 5)
    born = dt.date(year - 1, 7, 1) - dt.timedelta(days=round(rng.uniform(19, 34) * 365.25))
    return Person(
        player_id, name, gender, position, round(height), born, rng.choice(COUNTRIES), skills=skills
    )


def drifted(person: Person, year: int, seed: int, spread: float = 0.25) -> Person:
    """The same person a season later: skills have moved a little."""
    rng = stream("drift", seed, person.player_id, year)
    keep = (1 - spread**2) ** 0.5
    skills = {key: keep * value + rng.gauss(0, spread) for key, value in person.skills.items()}
    return Person(**{**person.__dict__, "skills": skills})


def team_names(count: int, league: str, seed: int) -> list[tuple[str, str]]:
    """Invent ``count`` (team id, name) pairs; ids have three letters."""
    rng = stream("teams", seed, league)
    places = rng.sample(PLACES, len(PLACES))
    animals = rng.sample(ANIMALS, len(ANIMALS))
    names: dict[str, str] = {}
    for number in range(count):
        place, animal = (
            places[number % len(places)],
            animals[(number * 7 + number // 20) % len(animals)],
        )
        letters = place[:2] + animal[0]
        code = next(
            c
            for c in (letters.upper(), *(f"{letters[:2]}{d}".upper() for d in range(100)))
            if c not in names
        )
        names[code] = f"{place} {animal}"
    return list(names.items())

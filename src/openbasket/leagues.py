"""Leagues we know by name: country, region and gender, which no play-by-play file states."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LEAGUES", "League", "league"]


@dataclass(frozen=True, slots=True)
class League:
    """A league.

    Args:
        key: identifier in our tables.
        name: as people write it.
        gender: "men" or "women".
        region: as in the paper's Table 3: "North America", "Europe", "Asia-Pacific", ...
        countries: ISO 3166-1 alpha-3 codes of where its clubs play.
    """

    key: str
    name: str
    gender: str
    region: str
    countries: tuple[str, ...]


def _league(key: str, name: str, gender: str, region: str, countries: str) -> League:
    return League(key, name, gender, region, tuple(countries.split()))


NORTH_AMERICA, EUROPE, ASIA = "North America", "Europe", "Asia-Pacific"
EUROLEAGUE_COUNTRIES = "ESP FRA DEU ITA GRC TUR LTU SRB ISR MCO RUS POL HRV SVN GBR MNE"

#: Key -> league. A league that is not here works all the same; say its gender and region when importing.
LEAGUES: dict[str, League] = {
    entry.key: entry
    for entry in (
        _league("nba", "NBA", "men", NORTH_AMERICA, "USA CAN"),
        _league("wnba", "WNBA", "women", NORTH_AMERICA, "USA CAN"),
        _league("gleague", "NBA G League", "men", NORTH_AMERICA, "USA CAN MEX"),
        _league("ncaa-men", "NCAA Division I, men", "men", NORTH_AMERICA, "USA"),
        _league("ncaa-women", "NCAA Division I, women", "women", NORTH_AMERICA, "USA"),
        _league("euroleague", "EuroLeague", "men", EUROPE, EUROLEAGUE_COUNTRIES),
        _league("eurocup", "EuroCup", "men", EUROPE, EUROLEAGUE_COUNTRIES + " LVA ROU UKR BEL"),
        _league("aba", "ABA League", "men", EUROPE, "SRB HRV SVN MNE BIH MKD"),
        _league("slo", "Slovenian league", "men", EUROPE, "SVN"),
        _league("acb", "Liga ACB", "men", EUROPE, "ESP AND"),
        _league("betclic-elite", "Betclic Élite", "men", EUROPE, "FRA MCO"),
        _league("elite-2", "Élite 2 (Pro B)", "men", EUROPE, "FRA"),
        _league("espoirs-elite", "Espoirs Élite (U21)", "men", EUROPE, "FRA MCO"),
        _league("espoirs-elite-2", "Espoirs Élite 2 (U21)", "men", EUROPE, "FRA"),
        _league("lfb", "Ligue féminine", "women", EUROPE, "FRA"),
        _league("bbl", "easyCredit BBL", "men", EUROPE, "DEU"),
        _league("lba", "Lega Basket Serie A", "men", EUROPE, "ITA"),
        _league("vtb", "VTB United League", "men", EUROPE, "RUS KAZ BLR"),
        _league("nbl", "NBL", "men", ASIA, "AUS NZL"),
        _league("wnbl", "WNBL", "women", ASIA, "AUS"),
        _league("cba", "CBA", "men", ASIA, "CHN"),
        _league("b-league", "B.League", "men", ASIA, "JPN"),
        _league("kbl", "KBL", "men", ASIA, "KOR"),
    )
}


def league(key: str) -> League | None:
    """The league of a key, ``None`` if we do not know it."""
    return LEAGUES.get(key)

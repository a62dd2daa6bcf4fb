"""Which units are the same, and which convert exactly into each other?

A unit is read into (scale, dimensions): `cm^2` is (1/10000, {"length": 2}). Two units of the same dimensions convert by
the ratio of their scales; a word that is in no table (apples, students) is a dimension of its own.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

__all__ = ["Unit", "combine", "is_unit", "unit_of"]

Unit = tuple[Fraction, tuple[tuple[str, int], ...]]

_one = Fraction(1)
_LENGTH, _AREA, _VOLUME = (("length", 1),), (("length", 2),), (("length", 3),)
_MASS, _TIME = (("mass", 1),), (("time", 1),)

# name -> scale in metres, grams, seconds, ...; plurals in s are found by rule
_TABLE: dict[str, Unit] = {}


def _add(names: str, scale: Fraction | int | str, dimensions: tuple[tuple[str, int], ...]) -> None:
    for name in names.split():
        _TABLE[name] = (Fraction(scale), dimensions)


_add("m meter metre", 1, _LENGTH)
_add("km kilometer kilometre", 1000, _LENGTH)
_add("dm decimeter decimetre", "1/10", _LENGTH)
_add("cm centimeter centimetre", "1/100", _LENGTH)
_add("mm millimeter millimetre", "1/1000", _LENGTH)
_add("nm nanometer", "1/1000000000", _LENGTH)
_add("inch inches in", "0.0254", _LENGTH)
_add("ft foot feet", "0.3048", _LENGTH)
_add("yd yard", "0.9144", _LENGTH)
_add("mi mile", "1609.344", _LENGTH)
_add("g gram gramme", 1, _MASS)
_add("kg kilogram kilo", 1000, _MASS)
_add("mg milligram", "1/1000", _MASS)
_add("ton tonne", 1_000_000, _MASS)
_add("lb lbs pound", "453.59237", _MASS)
_add("oz ounce", "28.349523125", _MASS)
_add("s sec second", 1, _TIME)
_add("ms millisecond", "1/1000", _TIME)
_add("min mins minute", 60, _TIME)
_add("h hr hrs hour", 3600, _TIME)
_add("day", 86400, _TIME)
_add("week", 604800, _TIME)
_add("month", 1, (("month", 1),))
_add("yr year", 12, (("month", 1),))
_add("decade", 120, (("month", 1),))
_add("century centuries", 1200, (("month", 1),))
_add("L l liter litre", "1/1000", _VOLUME)
_add("ml mL milliliter millilitre cc", "1/1000000", _VOLUME)
_add("quart qt", 1, (("quart", 1),))
_add("pint", "1/2", (("quart", 1),))
_add("cup", "1/4", (("quart", 1),))
_add("gallon gal", 4, (("quart", 1),))
_add("hectare ha", 10000, _AREA)
_add("acre", 1, (("acre", 1),))
_add("dollar usd USD buck", 1, (("dollar", 1),))
_add("cent", "1/100", (("dollar", 1),))
_add("penny pennies", "1/100", (("dollar", 1),))
_add("dime", "1/10", (("dollar", 1),))
_add("€ euro eur EUR", 1, (("euro", 1),))
_add("£ gbp GBP", 1, (("sterling", 1),))
_add("¥ yen JPY", 1, (("yen", 1),))
_add("₹ rupee INR Rs", 1, (("rupee", 1),))
_add("rad radian", 1, (("radian", 1),))
_add("rev revolution", 1, (("revolution", 1),))
_add("N newton", 1000, (("length", 1), ("mass", 1), ("time", -2)))
_add("J joule", 1000, (("length", 2), ("mass", 1), ("time", -2)))
_add("kJ kilojoule", 1_000_000, (("length", 2), ("mass", 1), ("time", -2)))
_add("W watt", 1000, (("length", 2), ("mass", 1), ("time", -3)))
_add("kW kilowatt", 1_000_000, (("length", 2), ("mass", 1), ("time", -3)))
_add("Pa pascal", 1000, (("length", -1), ("mass", 1), ("time", -2)))
_add("Hz hertz", 1, (("time", -1),))
_add("mph", Fraction("1609.344") / 3600, (("length", 1), ("time", -1)))
_add("kph kmh", Fraction(1000, 3600), (("length", 1), ("time", -1)))
_add("dozen", 12, (("piece", 1),))
_add("°C celsius Celsius", 1, (("celsius", 1),))
_add("°F fahrenheit Fahrenheit", 1, (("fahrenheit", 1),))
_add("K kelvin Kelvin", 1, (("kelvin", 1),))
_add("degree degrees deg", 1, (("degree", 1),))

_add("V volt", 1, (("volt", 1),))
_add("A amp ampere", 1, (("ampere", 1),))
_add("C coulomb", 1, (("coulomb", 1),))
_add("T tesla", 1, (("tesla", 1),))
_add("ohm", 1, (("ohm", 1),))
_add("mol mole", 1, (("mole", 1),))
_add("eV", 1, (("electronvolt", 1),))
_add("cal calorie", 1, (("calorie", 1),))

# Letter runs in mathematics that are read as a unit although they could be a product of variables.
_UNAMBIGUOUS = (frozenset(_TABLE) | set("kN MJ mA mV kV MPa kPa kHz MHz GHz keV MeV".split())) - set(
    "m g s h l L N J W K V A C T in unit day rad rev yd cal".split()
)


def is_unit(word: str) -> bool:
    """Tell whether a run of letters outside \\text is a unit rather than a product of variables."""
    return word in _UNAMBIGUOUS or (len(word) > 3 and word.endswith("s") and word[:-1] in _UNAMBIGUOUS)


_PREFIXES = {"n": -9, "μ": -6, "u": -6, "m": -3, "c": -2, "k": 3, "M": 6, "G": 9}
for _symbol in "m g s L N J W Pa Hz V A C T mol eV cal ohm".split():
    for _prefix, _power in _PREFIXES.items():
        _scale, _kind = _TABLE[_symbol]
        _TABLE.setdefault(_prefix + _symbol, (_scale * Fraction(10) ** _power, _kind))


@lru_cache(maxsize=512)
def unit_of(word: str) -> Unit:
    """Return what a unit word stands for; a word that no table holds is a dimension of its own."""
    for name in (word, word.rstrip("."), word.lower()):
        if name in _TABLE:
            return _TABLE[name]
        if len(name) > 2 and name.endswith("s") and name[:-1] in _TABLE:
            return _TABLE[name[:-1]]
    bare = word.lower()
    for plural, singular in (
        ("ies", "y"),
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("people", "person"),
        ("men", "man"),
        ("s", ""),
    ):
        if len(bare) > 3 and bare.endswith(plural) and not bare.endswith("ss" if plural == "s" else "\0"):
            bare = bare[: -len(plural)] + singular
            break
    return (_one, ((bare, 1),))


def combine(parts: list[tuple[Unit, int]]) -> Unit:
    """Multiply units, each to its power."""
    scale = _one
    dimensions: dict[str, int] = {}
    for (factor, own), power in parts:
        scale *= factor**power
        for name, exponent in own:
            dimensions[name] = dimensions.get(name, 0) + exponent * power
    return scale, tuple(sorted((name, power) for name, power in dimensions.items() if power))

"""Country names and their ISO 3166 codes."""

# Names that catalogues use and ISO 3166 does not: the code of the country that is meant.
ALIASES = {
    "Burma": "MM",
    "Cape Verde": "CV",
    "East Germany": "DDDE",
    "East Timor": "TL",
    "Holy See": "VA",
    "Ivory Coast": "CI",
    "Macau": "MO",
    "Macedonia": "MK",
    "Micronesia": "FM",
    "Palestine": "PS",
    "Republic of the Congo": "CG",
    "Russia": "RU",
    "Soviet Union": "SUHH",
    "Swaziland": "SZ",
    "Turkey": "TR",
    "UK": "GB",
    "Vatican City": "VA",
}
# ISO 3166-3 lists no West Germany, as the codes DE and DEU went on; its own number, 280, did not.
WEST_GERMANY = ("DE", "DEU", "280", "Germany, Federal Republic of", "historic")


def find_country_codes(names: list[str]) -> str:
    """The names that ISO 3166 knows, with their codes, as country_codes.sql reads them."""
    known = build_country_index()
    rows = [(name, *known[name.casefold()]) for name in names if name.casefold() in known]
    return "".join("\x1f".join(row) + "\x1e" for row in rows)


def build_country_index() -> dict[str, tuple[str, ...]]:
    """Name, case folded -> (alpha-2, alpha-3, number, ISO's name, status) of ISO 3166-1 and -3.

    Where a name was a country's and is another's now, the one of today has it.
    """
    import pycountry  # only where there is something to build: 50 ms

    codes, found = {}, {}
    for country in pycountry.historic_countries:
        codes[country.alpha_4] = row = (
            country.alpha_2,
            country.alpha_3,
            getattr(country, "numeric", ""),  # those withdrawn in the seventies never had one
            country.name,
            "historic",
        )
        # "Czechoslovakia, Czechoslovak Socialist Republic"
        found |= dict.fromkeys((country.name.split(",")[0], country.name, country.alpha_4), row)
    for country in pycountry.countries:
        codes[country.alpha_2] = row = (
            country.alpha_2,
            country.alpha_3,
            country.numeric,
            country.name,
            "current",
        )
        names = [getattr(country, name, None) for name in ("common_name", "official_name")]
        names += [country.name, country.alpha_2, country.alpha_3]
        found |= dict.fromkeys(filter(None, names), row)
    found |= {alias: codes[code] for alias, code in ALIASES.items()}
    found["West Germany"] = WEST_GERMANY
    return {name.casefold(): row for name, row in found.items()}

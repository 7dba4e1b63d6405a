"""Write strptime formats as SQL for other engines, for engines/translator.py.

The SQL uses the macros of sql/engines/portable.sql.
"""

import re

NUMBER, WORD = "([0-9]{1,2})", "([a-z]+)"
# What each sign of strptime matches, in lower case; years begin at 1900.
PATTERNS = {
    "Y": "(19[0-9]{2}|[2-9][0-9]{3})",
    **dict.fromkeys("ymd", NUMBER),
    **dict.fromkeys("HMS", "[0-9]{1,2}"),
    **dict.fromkeys("Bb", WORD),
    **dict.fromkeys("Aa", "[a-z]+"),
    **{"f": "[0-9]{1,6}", "p": "[ap]m", "%": "%"},
}
CAPTURED = "YymBbd"


def portable_date(form: str) -> str:
    """Return SQL that reads the day in the column `value` by one format."""
    pattern = "^"
    places: dict[str, int] = {}
    for word, text in re.findall(r"%-?(.)|([^%]+)", form):
        pattern += PATTERNS[word] if word else re.escape(text.lower()).replace("\\ ", " ")
        if word in CAPTURED and word:
            places[word] = len(places) + 1

    def part(word: str) -> str:
        return f"part(value, '{pattern}$', {places[word]})"

    year = part("Y") if "Y" in places else f"full_year({part('y')})"
    if "m" in places:
        month = f"lpad({part('m')}, 2, '0')"
    elif "B" in places:
        month = f"month_number({part('B')})"
    else:
        month = f"short_month_number({part('b')})"
    return f"iso_date({year}, {month}, {part('d')})"

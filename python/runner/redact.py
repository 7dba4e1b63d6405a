"""Keep passwords and keys out of messages, logs and records."""

import re
from urllib.parse import unquote

from config import Settings

SECRET_LENGTH = 3  # what is shorter is no secret, but a part of many words
SIGNS = r"[:@/?#&=;]"  # where a URL is taken apart


def split_url(url: str) -> tuple[str, str, str, str]:
    """Scheme, user and password, host and path, query and fragment; any text will do.

    Where the part before a bare / ? or # is no host with a port, that sign is one of the password,
    which then ends at the last @.
    """
    scheme, _, rest = url.partition("://")
    user = re.match(r"(?s)[^/?#@\[]*:(?!\d+[/?#])[^/?#@]*[/?#].*@|[^/?#]*@|", rest)[0]
    address, tail = re.match(r"(?s)([^?#]*)(.*)", rest[len(user) :]).groups()
    return scheme, user, address, tail


def strip_credentials(url: str) -> str:
    """The URL without user, password, query and fragment, where keys are."""
    scheme, _, address, _ = split_url(url)
    return f"{scheme}://{address}"


def redact(text: str, url: str) -> str:
    """An error's text without what `strip_credentials` leaves out, nor a part of it: a library
    quotes a URL whole, cut at some sign, decoded, or as Python writes it.
    """
    _, user, _, tail = split_url(url)
    pieces = {user, tail, *re.split(SIGNS, user + tail)}
    forms = {form for part in pieces for form in (part, unquote(part), repr(part)[1:-1])}
    parts = forms | {part for form in forms for part in re.split(SIGNS, form)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SECRET_LENGTH:
            text = text.replace(part, "***")
    return text


def redact_source(text: str, settings: Settings) -> str:
    """The text of an unexpected error, which may quote the source's URL, without its keys."""
    if "://" not in settings.source:
        return text
    return redact(text, settings.source)

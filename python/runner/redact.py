"""Keep passwords and keys out of messages, logs and records."""

import os
import re
import shlex
from dataclasses import fields
from urllib.parse import unquote

from config import Settings, find_env_file, read_env_file

ACCEPT_COMMAND = re.compile(r"make run-all ACCEPT=\w+")
OF_ONE_RUN = ("ACCEPT", "ALLOW_SAMPLE")  # what a command is asked for; what cron's line has
SECRET_LENGTH = 3  # anything shorter is not secret, and a part of many words
SIGNS = r"[:@/?#&=;]"  # between the parts of a URL


def describe_given() -> str:
    """Return the settings that were given and are not in .env, as make takes them: NAME=value.

    A secret has no value there. `make plan` hands on what was given to it.
    """
    if "GIVEN_SETTINGS" in os.environ:
        return os.environ["GIVEN_SETTINGS"]
    path, words = find_env_file(), []
    given = dict(os.environ.items() - (read_env_file(path) if path else {}).items())
    for setting in fields(Settings):
        name, secret = setting.name.upper(), setting.metadata["secret"]
        if (value := given.get(name)) and name not in OF_ONE_RUN:
            is_path = name == "NETFLIX_CSV" and "://" not in value
            words.append(f"{name}={'...' if secret and not is_path else shlex.quote(value)}")
    return " ".join(words)


def complete_command(text: str) -> str:
    """Append the command that a refusal names, with the settings that were given now."""
    command = ACCEPT_COMMAND.search(text)
    if not command or not (given := describe_given()):
        return text
    return f"{text}\n  With what was given: {command[0]} {given}"


def add_given(text: str) -> str:
    """Add the settings that were given now to each command of a text that accepts a file."""
    given = describe_given()
    return ACCEPT_COMMAND.sub(lambda command: f"{command[0]} {given}".rstrip(), text)


def split_url(url: str) -> tuple[str, str, str, str]:
    """Split any text into scheme, user and password, host and path, query and fragment.

    If the part before a bare / ? or # is not a host with a port, that sign belongs to the password,
    which then ends at the last @.
    """
    scheme, _, rest = url.partition("://")
    user = re.findall(r"(?s)^(?:[^/?#@\[]*:(?!\d+[/?#])[^/?#@]*[/?#].*@|[^/?#]*@|)", rest)[0]
    address = re.split(r"[?#]", rest[len(user) :], maxsplit=1)[0]
    return scheme, user, address, rest[len(user) + len(address) :]


def strip_credentials(url: str) -> str:
    """Return the URL without user, password, query and fragment: keys may be there."""
    scheme, _, address, _ = split_url(url)
    return f"{scheme}://{address}"


def redact(text: str, url: str) -> str:
    """Replace in an error's text all that `strip_credentials` leaves out, and its parts, by ***.

    A library quotes a URL whole, cut at some sign, decoded, or as Python writes it.
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
    """Remove the source's keys from the text of an unexpected error, which may quote its URL."""
    if "://" not in settings.source:
        return text
    return redact(text, settings.source)

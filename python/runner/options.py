"""Read the command line: --help, and exit code 2 for a wrong option, before anything is done."""

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from errors import USAGE
from runner.console import say, say_error

if TYPE_CHECKING:
    from argparse import ArgumentParser


def make_parser(doc: str) -> "ArgumentParser":
    """Make a parser whose help is the script's docstring; an error is one line and exit code 2."""
    import argparse  # 17 ms, which a run without options need not spend

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            say_error(f"{self.prog}: {message}; nothing was started. See --help")
            raise SystemExit(USAGE)

        def print_help(self, file: Any = None) -> None:
            say(self.format_help().rstrip(), stream=file)

    form = argparse.RawDescriptionHelpFormatter
    return Parser(description=doc, formatter_class=form, allow_abbrev=False)


def read_flags(doc: str, **flags: str) -> SimpleNamespace:
    """Read the command line of a script that takes only these flags (name=meaning)."""
    given = SimpleNamespace(**dict.fromkeys(flags, False))
    if sys.argv[1:]:
        parser = make_parser(doc)
        for name, meaning in flags.items():
            parser.add_argument(f"--{name}", action="store_true", help=meaning)
        parser.parse_args(namespace=given)
    return given

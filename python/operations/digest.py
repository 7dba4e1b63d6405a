"""Say what the newest published snapshot changed: the morning message, once per snapshot.

`make digest` prints it. With SINCE and UNTIL (a snapshot's id, a date or a time) it compares the
catalogue as of the one with that as of the other. A run queues it for DIGEST_URLS.

Reads:   data/published/netflix.duckdb, data/alerts
Writes:  nothing; a run writes data/alerts/spool, and data/alerts/digest (the snapshots sent)

Example: make digest SINCE=2019-11-30 UNTIL=2020-01-18
"""

import html
import os
import re
import sys
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

from config import Settings, instant, load_settings
from errors import DONE, NotReady, SettingsError, StepError
from operations import alerts
from runner import signals
from runner.console import FORMULA_START, printable, say, say_error
from runner.files import replace_atomically
from runner.options import make_parser

KINDS = ("new", "changed", "filled", "gone")  # filled: only a new column got its values
SHORT_LINES, CELL_LENGTH = 3, 80
ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")  # of a snapshot
BEGINNING = datetime(1, 1, 1)  # before it there is no title
# Signs that make a mention, a link or a tag in a chat -> signs that do not.
CHAT_SIGNS = str.maketrans("<>[]@", "\u2039\u203a()\uff20")


@dataclass
class Digest:
    """The difference between two snapshots: one headline, and lines under headings."""

    headline: str
    counts: dict[str, int]
    sections: dict[str, list[str]] = field(default_factory=dict)
    page: str = ""

    def text(self) -> str:
        parts = [self.headline]
        for heading, lines in self.sections.items():
            parts += ["", heading, *(f"  {line}" for line in lines)]
        return "\n".join([*parts, "", f"page: {self.page}"])

    def html(self) -> str:
        parts = [f"<p><b>{html.escape(self.headline)}</b></p>"]
        for heading, lines in self.sections.items():
            items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
            parts.append(f"<h3>{html.escape(heading)}</h3><ul>{items}</ul>")
        return "\n".join([*parts, f"<p>page: {html.escape(self.page)}</p>"])

    def short(self) -> str:
        """Return the form for a chat: the headline and the first titles of each kind."""
        parts = [self.headline]
        for heading, lines in self.sections.items():
            shown = "; ".join(lines[:SHORT_LINES]) + ("; \u2026" if lines[SHORT_LINES:] else "")
            parts.append(f"{heading}: {shown}".translate(CHAT_SIGNS))
        return "\n".join([*parts, f"page: {self.page}"])


def queue_digest(settings: Settings) -> None:
    """Queue the digest of the newest published snapshot, unless it was sent before.

    The first snapshot, which is all new, and one that changed nothing send no message.
    """
    link, told_path = settings.published / "current", alerts.alerts_folder(settings) / "digest"
    if not link.is_symlink():
        return
    newest = link.readlink().name.rpartition("-")[0]
    told = told_path.read_text(encoding="utf-8").split() if told_path.exists() else []
    if newest in told:  # not always the last one: a later snapshot may have been withdrawn
        return
    last = told[-1] if told else ""
    digest = compare_snapshots(settings, last) if settings.digest_urls else None
    with replace_atomically(told_path) as path:  # first: better no message than two
        path.write_text("\n".join([*told, newest]), encoding="utf-8")
    if settings.digest_urls and digest and any(digest.counts.values()):
        title = f"netflix-elt-pipeline: {digest.headline.partition(' since')[0]}"
        message = {"title": title, "body": digest.text()}
        message |= {"html": digest.html(), "short": digest.short()}
        alerts.queue_message(settings, settings.digest_urls, message)


def compare_snapshots(settings: Settings, since: str = "", until: str = "") -> Digest:
    """Compare the published catalogue as of `since` with that as of `until`.

    `until` is by default the newest snapshot, `since` the one before it. Raises NotReady if nothing
    was published, SettingsError if the two cannot be compared.
    """
    from warehouse.columns import stored_columns
    from warehouse.database import connect, fetch_file, set_variables

    path = settings.published / "netflix.duckdb"
    if not path.exists():
        raise NotReady(f"there is no {path} yet; run `make run-all` first")
    with closing(connect(path, settings, read_only=True)) as con:
        snapshots = fetch_file(con, "reports/digest_snapshots.sql")
        first, last = find_snapshots(snapshots, since, until)
        new, old = snapshots[last], snapshots[first] if first >= 0 else None
        if not (old or since):
            counts = dict.fromkeys(KINDS, 0)
            digest = Digest(f"first snapshot: {new['current_rows']:,} titles", counts)
        else:
            moment = old["snapshot_at"] if old else BEGINNING
            set_variables(con, {"since": moment, "until": new["snapshot_at"]})
            pairs = fetch_file(con, "reports/digest_titles.sql")
            shown = {row[name] for row in pairs for name in ("old_version", "new_version")}
            set_variables(con, {"versions": sorted(shown - {None})})
            rows = fetch_file(con, "reports/digest_versions.sql", stored_columns(con))
            versions = {row.pop("version_id"): row for row in rows}
            digest = describe(moment, new, pairs, versions)
    if last == len(snapshots) - 1 and (warnings := alerts.read_state(settings)["warnings"]):
        digest.sections["warnings"] = [cell(text.split("\n")[0]) for text in warnings.values()]
    digest.page = f"{os.uname().nodename}:{settings.published / 'dashboard.html'}"
    return digest


def find_snapshots(snapshots: list[dict], since: str, until: str) -> tuple[int, int]:
    """Return the places of the two snapshots; -1 for the empty catalogue before the first."""
    last = find_snapshot(snapshots, until) if until else len(snapshots) - 1
    if last < 0:
        raise SettingsError(f"no snapshot was there by {until!r}; {list_snapshots(snapshots)}")
    is_lost = ID.fullmatch(since) and since not in [row["batch_id"] for row in snapshots]
    if not since or is_lost:  # told, and then withdrawn
        return last - 1, last
    first = find_snapshot(snapshots, since)
    if first > last:
        raise SettingsError(
            f"SINCE={since!r} is after UNTIL={until!r}; {list_snapshots(snapshots)}"
        )
    return first, last


def find_snapshot(snapshots: list[dict], wanted: str) -> int:
    """Return the place of the snapshot with this id, or of the last one by this date or time."""
    ids = [row["batch_id"] for row in snapshots]
    if wanted in ids:
        return ids.index(wanted)
    try:
        moment = instant(wanted)
    except ValueError:
        raise SettingsError(
            f"{wanted!r} is no snapshot, and no date or time; {list_snapshots(snapshots)}"
        ) from None
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d", wanted.strip()):
        moment = moment.replace(hour=23, minute=59, second=59)  # a date includes its whole day
    return sum(row["snapshot_at"] <= moment for row in snapshots) - 1


def list_snapshots(snapshots: list[dict]) -> str:
    return f"the first is {snapshots[0]['batch_id']}, the last {snapshots[-1]['batch_id']}"


def describe(since: datetime, new: dict, pairs: list[dict], versions: dict[str, dict]) -> Digest:
    """Say in words what is different; text from the catalogue is made harmless here."""
    counts = dict.fromkeys(KINDS, 0) | {row["kind"]: row["titles"] for row in pairs}
    titles = f"{new['current_rows']:,} titles"
    if since == new["snapshot_at"]:
        both = f"both are the snapshot of {since.day} {since:%b %Y}"
        return Digest(f"nothing changed: {both}; {titles}", counts)
    is_this_year = since.year == new["snapshot_at"].year
    day = f"{since.day} {since:%b}" + ("" if is_this_year else f" {since:%Y}")
    day = "the beginning" if since == BEGINNING else day
    filled = f"{counts['filled']:,} filled, " if counts["filled"] else ""
    digest = Digest(
        f"+{counts['new']:,} new, {counts['changed']:,} changed, {filled}{counts['gone']:,} gone "
        f"since {day}; {titles}",
        counts,
    )
    for kind in (kind for kind in KINDS if counts[kind]):
        lines = []
        for row in (row for row in pairs if row["kind"] == kind):
            old, now = versions.get(row["old_version"]), versions.get(row["new_version"])
            shown = now or old or {}
            line = f"{cell(shown['title'])} ({cell(shown['type'])}, {cell(shown['release_year'])})"
            if old and now:
                line += ": " + "; ".join(
                    f"{name}: {cell(old[name])} -> {cell(now[name])}"
                    for name in now
                    if old[name] != now[name]
                )
            lines.append(line)
        if rest := counts[kind] - len(lines):
            lines.append(f"and {rest:,} more")
        digest.sections[kind] = lines
    return digest


def cell(value: str | None) -> str:
    """Make a value harmless and short: no control character, no change of direction, no formula."""
    if value is None:
        return "(none)"
    text = printable(value)
    text = text if len(text) <= CELL_LENGTH else text[: CELL_LENGTH - 1] + "\u2026"
    return re.sub(FORMULA_START, r"'\g<0>", text)


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--since", default="", help="a snapshot, or a date or time")
    parser.add_argument("--until", default="", help="a snapshot, or a date or time")
    given = parser.parse_args()
    signals.watch("digest")
    try:
        settings = load_settings()
        say(compare_snapshots(settings, given.since, given.until).text())
        return DONE
    except StepError as error:
        say_error(f"digest    stopped: {error}")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())

"""Build the dashboard: one HTML file that needs no server and loads nothing.

The head is written here, so that it shows before a script runs, or without one; page/src draws the
rest from the data of page_data.py. Charts use Observable Plot, which is vendored and bundled
(page/vendor). Text from the data reaches the page as compressed JSON, or escaped, and is shown by
textContent; the content security policy names each script by its hash.
"""

import base64
import hashlib
import html
import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from config import Settings, __version__
from publish.lineage import collect_lineage
from publish.page_data import collect
from runner.console import plural
from runner.log import utc_now
from warehouse.database import Warehouse

ASSETS = Path(__file__).resolve().parent / "page"
STYLES = ("theme.css", "page.css", "charts.css")
# The one <style> that Plot puts into each chart of the class `pl`.
PLOT_STYLE = "sha256-b/nHwL/kURmKgMN9jxtfGmkMEJx1nPDcVLUaMPyne7I="
COMPRESSION = 4  # of zlib: 6 takes twice as long for 4 %


Origins = dict[str, tuple[str, bool]]  # batch -> (its file, whether it is made-up sample data)


@dataclass(frozen=True)
class Held:
    """What an audit holds back: the checks that did not pass, and since when."""

    batch_id: str
    snapshot_at: datetime | None
    since: datetime
    # Name, what it says, an offending row, what to do.
    checks: list[tuple[str, str, str | None, str | None]]


def build_dashboard(
    con: Warehouse,
    tables: dict[str, dict],
    settings: Settings,
    origins: Origins,
    held: Held | None = None,
) -> str:
    """Build the page of a published copy as HTML; with `held` it says what is not in it."""
    sources = {batch: source for batch, (source, _) in origins.items()}
    content = collect(con, sources, settings) | {
        "tables": [
            {"name": name, "comment": entry["comment"], "columns": entry["columns"]}
            for name, entry in tables.items()
        ],
        "lineage": collect_lineage(tables),
    }
    data = json.dumps(content, ensure_ascii=False, default=str, separators=(",", ":"))
    font = base64.b64encode((ASSETS / "built" / "inter.woff2").read_bytes()).decode()
    style = "".join(read_asset(name) for name in STYLES).replace("%FONT%", font)
    plot, script = read_asset("built/plot.js"), read_asset("built/page.js")
    policy = (
        f"default-src 'none'; style-src '{source_hash(style)}' '{PLOT_STYLE}'; "
        f"script-src '{source_hash(plot)}' '{source_hash(script)}'; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    packed = zlib.compress(data.encode("utf-8", "surrogatepass"), COMPRESSION)
    page = read_asset("page.html")
    for mark, text in (
        ("%POLICY%", policy),
        ("%TITLE%", f"{content['snapshots']['titles'][-1]:,} titles"),
        ("%BANNERS%", write_banners(content, origins, held)),
        ("%HEADLINE%", write_headline(content["snapshots"])),
        ("%PILLS%", write_pills(content, settings.freshness_days, held)),
        ("%FOOT%", write_foot(content["snapshots"])),
        ("%STYLE%", style),
        ("%DATA%", base64.b64encode(packed).decode()),
        ("%PLOT%", plot),
        ("%SCRIPT%", script),
    ):
        page = page.replace(mark, text, 1)
    return page


def read_asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def on_day(at: str | datetime | None) -> str:
    """Write a day as the page does: 18 Jan 2020."""
    if at is None:
        return "unknown"
    time = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{time.day} {time:%b %Y}"


def write_headline(snapshots: dict[str, list]) -> str:
    """Say what the newest snapshot changed, or that it is the first one."""
    new, changed, gone, moved, titles = (
        snapshots[name][-1] for name in ("new", "changed", "gone", "moved", "titles")
    )
    if len(snapshots["at"]) == 1:
        day = on_day(snapshots["at"][-1])
        return f"<b>{plural(titles, 'title')}</b> in the first snapshot, of {day}."
    since, now = on_day(snapshots["at"][-2]), f"{titles:,} in the catalogue."
    if not (new or changed or gone):
        return f"Nothing changed since {since}. {now}"
    lost = f"{gone:,}" if gone else "none"
    come = f"<b>{plural(new, 'new title')}</b>" if new else "No new title"
    seem = "seems" if moved == 1 else "seem"
    back = f"; {moved:,} of these {seem} to be there under another id or year" if moved else ""
    return f"{come}, {changed:,} changed, {lost} gone since {since}{back}. {now}"


def write_pills(content: dict[str, Any], fresh_days: int, held: Held | None) -> str:
    """Say how old the data is, what the audit found, and whether the row counts reconcile.

    The page adds the age in days by the reader's clock.
    """
    snapshots, checks = content["snapshots"], content["audit"]["checks"]
    at = snapshots["at"][-1]
    failed, warned, passed = (
        sum(check["outcome"] == outcome for check in checks) for outcome in ("fail", "warn", "pass")
    )
    audit = f"Audit: {passed} of {len(checks)} checks passed"
    audit += f", {plural(warned, 'warning')}" if warned else ""
    audit += f", {failed} failed" if failed else ""
    if held:
        failed = len(held.checks)
        audit = f"The last audit failed {plural(failed, 'check')}; these data passed theirs"
    aside = content["counts"]["set_aside"]
    counts = f"Row counts reconcile, {plural(aside, 'row')} set aside"
    pills = (
        (f'id="age" data-at="{at}" data-fresh-days="{fresh_days}"', f"Data of {on_day(at)}"),
        (
            f'class="{"fail" if failed else "warn" if warned else "good"}"',
            f'<a href="#trust" data-jump="trust">{audit}</a>',
        ),
        (
            f'class="{"warn" if aside else "good"}"',
            f'<a href="#row-counts" data-jump="row-counts">{counts}</a>',
        ),
    )
    return "".join(f"<li {attributes}>{text}</li>" for attributes, text in pills)


def write_banners(content: dict[str, Any], origins: Origins, held: Held | None) -> str:
    """Say what a reader must know before any number: made-up data, and what is held back."""
    shown, banners = content["snapshots"], ""
    if any(origins.get(batch, ("", False))[1] for batch in shown["batch"]):
        banners += (
            '<div class="banner"><p><b>Made-up sample data.</b> The titles, people and numbers on '
            "this page are invented, to try the pipeline out.</p></div>"
        )
    if left := sorted(batch for batch in origins if is_left_out(batch, shown["batch"])):
        names = ", ".join(html.escape(f"{batch[:8]} ({origins[batch][0]})") for batch in left)
        banners += (
            f'<div class="banner"><p><b>{plural(len(left), "snapshot")} left out.</b> Landed, and '
            f"not a part of this history, as refused or withdrawn: {names}.</p></div>"
        )
    if not held:
        return banners
    day, since = on_day(held.snapshot_at), f"{on_day(held.since)}, {held.since:%H:%M} UTC"
    if held.batch_id == shown["batch"][-1]:
        first = f"The audit of the snapshot of {day} does not pass, since {since}."
        second = "You see that snapshot as it was published when it did."
    else:
        first = f"Held back: the snapshot of {day} did not pass its audit."
        second = (
            f"You see the last one that did, of {on_day(shown['at'][-1])}; nothing here comes from "
            f"the other. Held back since {since}."
        )
    lines = [f"<p><b>{first}</b> {second}</p>"]
    for name, description, row, way_out in held.checks:
        example = f" <code>{html.escape(row)}</code>" if row else ""
        advice = f" What to do: {html.escape(way_out)}" if way_out else ""
        text = f"<code>{html.escape(name)}</code> {html.escape(description)}{example}{advice}"
        lines.append(f"<p>{text}</p>")
    return f'{banners}<div class="banner held" role="alert">{"".join(lines)}</div>'


def is_left_out(batch: str, merged: list[str]) -> bool:
    """Return whether a landed snapshot is not in the history, though a later one is."""
    return batch not in merged and batch < merged[-1]


def write_foot(snapshots: dict[str, list]) -> str:
    batch, made_by = html.escape(snapshots["batch"][-1]), f"netflix-elt-pipeline {__version__}"
    return f"Built {utc_now():%Y-%m-%d %H:%M} UTC from snapshot {batch} by {made_by}."

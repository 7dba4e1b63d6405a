"""Send alerts: once when something goes wrong, once a day while it lasts, once when it is over.

The state is kept in data/alerts/state.json, not in the warehouse, which may be the problem. A
message is first written to data/alerts/spool, one file per receiver. A process of its own sends
them within SEND_S seconds; the next run sends the rest. The URLs have passwords, so they are in no
file and no log: a receiver is known by the digest of its URL.
"""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from config import Settings
from errors import CRASH, DONE, QUALITY
from runner import signals, step
from runner.console import printable_lines, say_warning
from runner.files import replace_atomically
from runner.log import new_run_id, open_log, utc_now

SEND_S, PING_S = 5.0, 1.5  # limits, so that a dead receiver does not delay a run
REMIND_AFTER = timedelta(hours=24)
SPOOL_FILES, SPOOL_AGE = 200, timedelta(days=14)  # more is dropped: the receiver is gone for good
LONG_BODY = 16_000  # characters: mail takes more, no chat that takes HTML does
LONG = 4_000  # characters of a message; chat services take no more
NEXT_COMMAND = {
    1: "make status, then logs/pipeline.log; after the fix: make run-all",
    2: "fix the setting or run the step that the message names, then: make run-all",
    20: "make plan (what the file would change; on DuckDB only), then as the message says",
    40: "mount or restore what the message names, then: make run-all",
    30: "make monitor (the audit alone); after the fix: make run-all",
}


def save_run_state(settings: Settings, problem: str | None) -> None:
    """Store what stopped the last chain, or None."""
    state = read_state(settings)
    state["run"] = {"run": problem} if problem else {}
    write_state(settings, state)


def save_audit_state(
    settings: Settings, problems: dict[str, str], warnings: dict[str, str]
) -> None:
    """Store what the last audit found: check -> text."""
    state = read_state(settings)
    state["audit"], state["warnings"] = problems, warnings
    write_state(settings, state)


def save_warning(settings: Settings, name: str, text: str | None) -> None:
    """Store a warning next to those of the audit, or that it is over."""
    state = read_state(settings)
    if text or name in state["warnings"]:
        state["warnings"].pop(name, None)
        state["warnings"] |= {name: text} if text else {}
        write_state(settings, state)


def notify_after_audit(settings: Settings, code: int) -> None:
    """Send what an audit outside a chain found; if it could not run, that is the message."""
    if code not in (DONE, QUALITY):
        text = step.last_error or "the audit could not run"
        save_audit_state(settings, {"warehouse": text}, {})
    notify_on_change(settings, code)


def notify_on_change(settings: Settings, code: int) -> None:
    """Send a message if the state differs from the one sent last, and all messages that wait."""
    state = read_state(settings)
    now_bad = {**state["run"], **state["audit"]}
    told_bad, told_warnings = state["told"], state["told_warnings"]
    told_at = datetime.fromisoformat(state["told_at"]) if state["told_at"] else None
    new_warnings = {
        name: text for name, text in state["warnings"].items() if name not in told_warnings
    }
    if set(now_bad) - set(told_bad):
        title, texts = "FAILED", now_bad
    elif told_bad and not now_bad:
        title, texts = "recovered", {"over": "All is well again: " + ", ".join(told_bad) + "."}
    elif now_bad and told_at and not timedelta() <= utc_now() - told_at < REMIND_AFTER:
        title, texts = "still failing", now_bad
    elif new_warnings and not now_bad:
        title, texts = "warning", new_warnings
    else:
        title, texts = "", {}
    if title and settings.alert_urls:
        body = compose_message(settings, title, texts, code)
        message = {"title": f"netflix-elt-pipeline: {title}", "body": body}
        queue_message(settings, settings.alert_urls, message)
    if title:
        state["told_at"] = utc_now().isoformat()
    state["told"], state["told_warnings"] = list(now_bad), list(state["warnings"])
    write_state(settings, state)
    send_spooled(settings)


def compose_message(settings: Settings, title: str, texts: dict[str, str], code: int) -> str:
    """Say what failed, with numbers and rows, who is affected and what to do."""
    host = os.uname().nodename
    lines = [printable_lines(text) for text in texts.values()]
    if title in ("FAILED", "still failing"):
        lines.append("Nothing was lost: readers keep the last version that was published.")
        lines.append(f"Next: {NEXT_COMMAND.get(code, NEXT_COMMAND[1])}")
    lines.append(f"{host}:{settings.warehouse_path}, {utc_now():%Y-%m-%d %H:%M} UTC")
    text = "\n".join(lines)
    return text if len(text) <= LONG else text[:LONG] + "\n(cut; the rest is in the log)"


def alerts_folder(settings: Settings) -> Path:
    return settings.data_dir / "alerts"


def read_state(settings: Settings) -> dict:
    """Read what is wrong and what was sent; empty if the file is missing or damaged.

    Then what is wrong is sent once more: better twice than not at all.
    """
    empty: dict[str, Any] = {"run": {}, "audit": {}, "warnings": {}}
    empty |= {"told": [], "told_warnings": [], "told_at": ""}
    try:
        kept = json.loads((alerts_folder(settings) / "state.json").read_text(encoding="utf-8"))
        texts = [*kept["told"], *kept["told_warnings"], kept["told_at"]]
        for problems in (kept["run"], kept["audit"], kept["warnings"]):
            texts += [*problems, *problems.values()]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("not all of it is text")
        if datetime.fromisoformat(kept["told_at"] or "2000-01-01").tzinfo:
            raise ValueError("told_at has a time zone")
        return {key: type(value)(kept[key]) for key, value in empty.items()}
    except FileNotFoundError:
        return empty
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log_warning(settings, "alert_state_lost", reason=error)
        say_warning(f"alerts    warning: state.json was damaged ({error}) and begins again")
        return empty


def write_state(settings: Settings, state: dict) -> None:
    with replace_atomically(alerts_folder(settings) / "state.json") as path:
        path.write_text(json.dumps(state, indent=1), encoding="utf-8")


def log_warning(settings: Settings, event: str, **fields: object) -> None:
    run_id = os.environ.get("RUN_ID") or new_run_id()
    with open_log(settings, "alerts", run_id) as log:
        log.warning(event, extra={"fields": fields})


def receiver_id(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def list_receivers(settings: Settings) -> list[str]:
    return list(dict.fromkeys((*(settings.alert_urls or ()), *(settings.digest_urls or ()))))


def queue_message(settings: Settings, urls: tuple[str, ...], message: dict[str, str]) -> None:
    """Spool a message (title, body, maybe html and short), one file per receiver."""
    now = utc_now()
    for number, url in enumerate(urls):
        name = f"{now:%Y%m%dT%H%M%S%f}-{number:02}-{receiver_id(url)}.json"
        with replace_atomically(alerts_folder(settings) / "spool" / name) as path:
            path.write_text(json.dumps(message), encoding="utf-8")


def list_spooled(settings: Settings) -> list[Path]:
    """List the messages that wait, the oldest first."""
    return sorted((alerts_folder(settings) / "spool").glob("*.json"))


def send_spooled(settings: Settings) -> None:
    """Send the spooled messages for at most SEND_S seconds; the rest waits for the next run."""
    waiting = list_spooled(settings)
    receivers = {receiver_id(url) for url in list_receivers(settings)}
    old = f"{utc_now() - SPOOL_AGE:%Y%m%dT%H%M%S}"
    for path in list(waiting):
        if path.stem.rpartition("-")[2] not in receivers or path.name < old:
            path.unlink()  # its receiver is gone, or it is too old
            waiting.remove(path)
    for path in waiting[:-SPOOL_FILES]:
        path.unlink()
    if not waiting:
        return
    run_with_timeout(SEND_S, lambda: send_to_receivers(settings))
    if left := len(list_spooled(settings)):
        log_warning(settings, "alerts_wait", messages=left, sent=len(waiting) - left)


def send_to_receivers(settings: Settings) -> None:
    """Send each message and remove it; after a failure, go on with the next receiver."""
    import logging

    import apprise

    logging.disable(logging.CRITICAL)  # its messages quote URLs
    spool = alerts_folder(settings) / "spool"
    for url in list_receivers(settings):
        service = apprise.Apprise()
        if not service.add(url):
            continue
        for path in sorted(spool.glob(f"*-{receiver_id(url)}.json")):
            message = read_message(path)
            name, form = choose_form(url, next(iter(service)))
            body, known_form = (message[name], form) if name in message else (message["body"], None)
            if not service.notify(body, title=message["title"], body_format=known_form):
                break
            path.unlink()


def choose_form(url: str, service: Any) -> tuple[str, str]:
    """Return which form of a message a service gets (html, body or short), and its format.

    A service that takes HTML and long texts is mail.
    """
    formats = service.notify_format
    first = formats if isinstance(formats, str) else formats[0]
    if first == "html" and service.body_maxlen > LONG_BODY:
        return "html", "html"
    is_hook = url.partition("://")[0].lower().rstrip("s") in ("json", "xml", "form")
    return "body" if is_hook else "short", "text"


def read_message(path: Path) -> dict[str, str]:
    """Read a spooled message; replace a damaged one, so that it does not hold up the others."""
    try:
        message = json.loads(path.read_text(encoding="utf-8"))
        if {str} != {type(message[name]) for name in ("title", "body")}:
            raise ValueError("it is not text")
        return message
    except (ValueError, KeyError, TypeError) as error:
        title = "netflix-elt-pipeline: a message was damaged"
        return {"title": title, "body": f"{path.name}: {error}. See `make status`."}


def ping_heartbeat(settings: Settings, ending: str = "") -> None:
    """Ping HEARTBEAT_URL: a run starts (/start), succeeded or failed (/fail)."""
    if not settings.heartbeat_url:
        return
    url = settings.heartbeat_url.rstrip("/") + ending

    def request() -> None:
        import urllib.request

        with urllib.request.urlopen(url, timeout=PING_S):
            return

    if not run_with_timeout(PING_S, request):
        log_warning(settings, "heartbeat_failed", ending=ending or "success")


def run_with_timeout(seconds: float, work: Callable[[], None]) -> bool:
    """Do `work` in a child process, kill it after `seconds`; return whether it was done.

    A thread could not be stopped while it waits for a name server.
    """
    pid = signals.fork()
    if not pid:
        run_in_silence(work)
    return signals.wait(pid, seconds) == DONE


def run_in_silence(work: Callable[[], None]) -> NoReturn:
    """Do `work` in the child without output: a traceback could quote a URL with a password."""
    code = CRASH
    try:
        for number in signals.SIGNALS:  # the parent passes Ctrl-C on as SIGTERM
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        work()
        code = DONE
    finally:
        os._exit(code)

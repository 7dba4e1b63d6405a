"""The kinds of error, and the exit code of each, the same in every script.

0   done, or nothing new to do; `make status` also without a warehouse: it is a report, not a step
1   crash: a defect or a broken machine; the traceback is in logs/pipeline.log
2   settings or usage: an option has a wrong value, or another step must run first
20  stopped by contract or guard: the file or the history is not what it should be
30  data-quality failure: a check of the audit failed; nothing is published
40  the state does not fit together: a snapshot or decision is missing, damaged or of another
    folder, or the warehouse is damaged
75  another run holds the lock; try again later (sysexits' EX_TEMPFAIL)
128 plus the number of a signal: interrupted by it (130 Ctrl-C, 143 SIGTERM, 129 SIGHUP)
"""

DONE, CRASH, USAGE, STOPPED, QUALITY, STATE, LOCKED = 0, 1, 2, 20, 30, 40, 75
SIGNALLED = 128


class StepError(Exception):
    """An expected failure: one clear sentence for the user, and no traceback."""

    exit_code = CRASH


def exit_code(error: Exception) -> int:
    """Return the exit code for an error: CRASH for any that is not a StepError."""
    return error.exit_code if isinstance(error, StepError) else CRASH


class SettingsError(StepError):
    """A setting or an option has a value that is not allowed."""

    exit_code = USAGE


class NotReady(StepError):
    """Another step must run first: the message names it."""

    exit_code = USAGE


class Refused(StepError):
    """The file, or what it would do to the history, was refused."""

    exit_code = STOPPED


class QualityError(StepError):
    """A data-quality check of severity `error` failed."""

    exit_code = QUALITY


class StateError(StepError):
    """Data folder and warehouse do not fit together, or one of their files is damaged."""

    exit_code = STATE


class LockedError(StepError):
    """Another process holds the pipeline's lock or the warehouse file."""

    exit_code = LOCKED

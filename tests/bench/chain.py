"""The steps as run_all.py runs them, and what each took, as JSON: python chain.py <script> ...

Prints {script: [its end on the monotonic clock, seconds, CPU seconds, peak memory in MB]}.
"""

import json
import os
import sys
import time
from pathlib import Path

PYTHON = Path(__file__).resolve().parent.parent.parent / "python"
sys.path.insert(0, str(PYTHON))

import run_all  # noqa: E402
from config import load_settings  # noqa: E402
from runner import lock  # noqa: E402


def main(scripts: list[str]) -> int:
    spent = {}

    def wait(pid: int, options: int) -> tuple[int, int]:
        found, status, used = os.wait4(pid, options)
        spent[script] = [used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6]
        return found, status

    os.waitpid = wait  # importing unittest.mock would be 50 ms of what is measured
    with lock.hold_lock(load_settings()):
        lock.inherited = True
        for script in scripts:
            started = time.monotonic()
            if code := run_all.run_forked(PYTHON / f"{script}.py", [])[0]:
                return code
            ended = time.monotonic()
            spent[script] = [ended, ended - started, *spent[script]]
    print(json.dumps(spent))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run a step on another engine, and end it by SIGKILL right before its n-th write there.

    KILL_BEFORE_WRITE=3 python killed.py python/06_merge_cdc.py

A write is every statement to the engine that is no query and makes nothing temporary, from when the
warehouse is open: what makes tables known to a session comes before.
"""

import os
import re
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NO_WRITE = re.compile(r"\s*(SELECT|WITH|SHOW|CREATE (OR REPLACE )?TEMP)\b", re.IGNORECASE)


def killing(open_warehouse: Callable[..., Any], number: int) -> Callable[..., Any]:
    """open_warehouse, whose sessions kill this process instead of the `number`th write, from 1."""
    writes = 0

    def opened(*arguments: Any) -> Any:
        con = open_warehouse(*arguments)
        result = con.result

        def counted(sql: str) -> Any:
            nonlocal writes
            writes += not NO_WRITE.match(sql)
            if writes == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result(sql)

        con.result = counted
        return con

    return opened


if __name__ == "__main__":
    script = Path(sys.argv[1])
    sys.path.insert(0, str(script.parent))
    from warehouse import database

    if "APACHE_SERVER" in os.environ:
        import on_apache

        import engines.spark

        engines.spark.connect = on_apache.connect
    number = int(os.environ["KILL_BEFORE_WRITE"])
    database.open_warehouse = killing(database.open_warehouse, number)
    sys.argv = sys.argv[1:]
    runpy.run_path(str(script), run_name="__main__")

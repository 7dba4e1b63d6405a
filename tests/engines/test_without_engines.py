"""With DuckDB alone the other engines cost nothing: no package, no import."""

import re
from pathlib import Path

import pytest
from conftest import PROJECT, catalogue, title

# Of python/engines/requirements/, and what leads to them.
OF_ENGINES = (
    "sqlglot", "pyspark", "pysail", "grpc", "snowflake", "google", "pandas", "engines",
)  # fmt: skip
# Whoever imports one of them, in the chain or in a step that it forks, fails and is written down.
BARRED = """
import runpy, sys
script, told, *names = sys.argv[1:]

class Bar:
    def find_spec(self, name, *_):
        if name.partition(".")[0].partition("_")[0] in names:
            with open(told, "a") as file:
                file.write(name + "\\n")
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Bar())
sys.path.insert(0, script.rpartition("/")[0])
sys.argv = [script]
runpy.run_path(script, run_name="__main__")
"""
# What `make migrate` runs, where sqlglot is not installed.
WITHOUT_SQLGLOT = """
import runpy, sys
sys.modules["sqlglot"] = None
runpy.run_module("engines.migrate", run_name="__main__")
"""


@pytest.mark.slow
def test_the_nightly_job_imports_nothing_of_other_engines(pipeline):
    told = pipeline.root / "told"
    script = str(PROJECT / "python" / "run_all.py")
    pipeline.settings |= {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500"}
    for day in (1, 2):
        source = pipeline.put(catalogue(*map(title, range(day, 41))))
        night = {"NETFLIX_CSV": source, "SNAPSHOT_AT": f"2021-01-0{day}"}
        done = pipeline.python("-c", BARRED, script, str(told), *OF_ENGINES, **night)
        assert done.returncode == 0, done.stderr
        assert re.findall(r"^\w+", done.stdout, re.MULTILINE)[-2:] == ["publish", "page"]
    assert not told.exists(), told.read_text()


@pytest.mark.parametrize("engine", ["spark", "snowflake", "bigquery"])
def test_moving_to_an_engine_without_its_packages_names_what_to_install(pipeline, engine):
    landed = pipeline.step("02_create_raw_layer", NETFLIX_CSV=pipeline.put(catalogue(title(1))))
    assert landed.returncode == 0, landed.stderr
    done = pipeline.python("-c", WITHOUT_SQLGLOT, "--to", engine)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    names = (f"WAREHOUSE={engine} needs", f"python/engines/requirements/{engine}.txt", "sqlglot")
    assert all(name in done.stderr for name in names), done.stderr
    assert (PROJECT / names[1]).is_file()


def test_the_core_install_has_no_package_of_an_engine():
    core = packages(".ci/locks/requirements.lock")
    assert "duckdb" in core
    for path in (PROJECT / "python/engines/requirements").glob("*.txt"):
        locked = packages(f".ci/locks/{path.stem}.lock")
        assert packages(path.relative_to(PROJECT))
        assert packages(path.relative_to(PROJECT)) <= locked
        assert not packages(path.relative_to(PROJECT)) & core, path.name


def packages(name: str | Path) -> set[str]:
    return set(re.findall(r"^([\w-]+)==", (PROJECT / name).read_text(), re.MULTILINE))

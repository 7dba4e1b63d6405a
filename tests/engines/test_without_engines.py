"""Who keeps to DuckDB pays nothing for the other engines: no package, no import."""

import re

from conftest import PROJECT, catalogue, title

# Of requirements-<engine>.txt, and what leads to them.
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


def test_the_nightly_job_imports_nothing_of_other_engines(pipeline):
    told = pipeline.root / "told"
    script = str(PROJECT / "python" / "run_all.py")
    pipeline.settings |= {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500"}
    for day in (1, 2):
        source = pipeline.put(catalogue(*map(title, range(day, 41))))
        night = {"NETFLIX_CSV": source, "SNAPSHOT_AT": f"2021-01-0{day}"}
        done = pipeline.python("-c", BARRED, script, str(told), *OF_ENGINES, **night)
        assert done.returncode == 0, done.stderr
        assert re.findall(r"^\w+", done.stdout, re.MULTILINE)[-1] == "publish"
    assert not told.exists(), told.read_text()


def test_the_core_install_has_no_package_of_an_engine():
    core = packages(".ci/locks/requirements.lock")
    assert "duckdb" in core
    for path in PROJECT.glob("requirements-*.txt"):
        assert packages(path.name)
        assert not packages(path.name) & core, path.name


def packages(name: str) -> set[str]:
    return set(re.findall(r"^([\w-]+)==", (PROJECT / name).read_text(), re.MULTILINE))

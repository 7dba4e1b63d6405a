"""A step that imports pandas gets it, although DuckDB is kept from importing it on its own."""

import shutil
from pathlib import Path

import pandas
import pytest
from conftest import CHAIN_OF, PROJECT, Pipeline, slow

# Before pandas is there DuckDB has looked for it, in vain, unless it is imported first of all.
STEP = """
import sys
{first}
import duckdb
from config import load_settings
from warehouse.database import connect

con = connect(":memory:", load_settings())
assert con.execute("SELECT ? + 1", [41]).fetchone() == (42,)
assert ("pandas" in sys.modules) == {is_first}
{later}
frame = con.execute("SELECT ? AS a, NULL::TIMESTAMP AS b", [41]).df()
frame["a"] += 1
con.register("numbers", frame)
assert con.execute("SELECT sum(a) FROM numbers WHERE b IS NULL").fetchone() == (42,)
assert con.execute("SELECT ? IS NULL", [pandas.NaT]).fetchone() == (True,)
assert duckdb.sql("SELECT sum(a) FROM frame").fetchone() == (42,)
print("it has pandas", pandas.__version__)
"""


@pytest.fixture
def step(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A step like any other, in a copy of the project: only there DuckDB is kept from pandas."""
    for folder in ("python", "sql"):
        shutil.copytree(PROJECT / folder, tmp_path / "project" / folder)
    path = tmp_path / "project" / "python" / "12_use_pandas.py"
    is_first = request.param == "first of all"
    imports = ("import pandas", "") if is_first else ("", "import pandas")
    path.write_text(STEP.format(first=imports[0], later=imports[1], is_first=is_first))
    return path


@pytest.mark.parametrize(
    "step",
    ["first of all", *slow("after DuckDB was refused it")],
    indirect=True,
)
def test_a_step_can_import_pandas_alone_and_in_the_chain(pipeline: Pipeline, step: Path) -> None:
    """And so DuckDB gives and reads DataFrames there."""
    environment = {"PYTHONPATH": str(step.parent), "NETFLIX_CSV": "somewhere"}
    said = f"it has pandas {pandas.__version__}\n"
    alone = pipeline.python(str(step), **environment)
    assert (alone.returncode, alone.stdout) == (0, said), alone.stderr
    chain = pipeline.python("-c", CHAIN_OF, step.name, step.name, **environment)
    assert (chain.returncode, chain.stdout) == (0, 2 * said), chain.stderr

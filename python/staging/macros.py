"""Create the macros that clean records, once per session."""

from contextlib import suppress

import duckdb

from contract import Contract
from runner.files import fingerprint
from warehouse.database import Warehouse, identifier, literal, read_sql, set_variables


def create_cleaning_macros(con: Warehouse, contract: Contract) -> None:
    """Create the cleaning macros, and set the contract's variables that they read."""
    set_contract_variables(con, contract)
    adapt = read_sql("staging/adapt.sql") if contract.is_adapted else ""
    declare(con, "cleaning", read_sql("macros.sql") + adapt)


def set_contract_variables(con: Warehouse, contract: Contract) -> None:
    """Set the contract's variables, unless this session has them."""
    variables = contract.variables
    values = fingerprint([], repr(variables))
    if con.has_transactions:  # a roll-back leaves variables as they are
        known = con.execute("SELECT getvariable('contract_variables')").fetchone()
        if known == (values,):
            return
    set_variables(con, variables | {"contract_variables": values})


def declare(con: Warehouse, name: str, sql: str, stays: bool = True) -> None:
    """Run SQL that creates only temporary macros and views, unless this session has them.

    To bind them costs a third of staging a few records. A macro says what the session has: a
    roll-back undoes both; in DuckDB 2, calling one that is not there does, too, so a variable says
    where to look. Without `stays`, the caller replaces some of it, so the next call runs.
    """
    if not con.has_transactions:  # there, a view keeps what it was created over
        con.execute(sql)
        return
    mark, now = f"declared_{name}", fingerprint([], sql) if stays else ""
    known = con.execute("SELECT getvariable(?)", [mark]).fetchone()
    if stays and known == (now,):
        with suppress(duckdb.CatalogException):  # rolled back
            if con.execute(f"SELECT {identifier(mark)}()").fetchone() == (now,):
                return
    con.execute(sql)
    con.execute(f"CREATE OR REPLACE TEMP MACRO {identifier(mark)}() AS {literal(now)}")
    set_variables(con, {mark: now})

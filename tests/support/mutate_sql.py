"""A mutation test of the history: does a wrong comparison, a lost WHERE, a forgotten column show?

Each mutant is one small change of the SQL (or of the guard) in a copy of the project; the quick
tests of the history must fail there. Prints who killed which mutant, and the share.

    python tests/support/mutate_sql.py            all mutants (50 minutes on two cores)
    python tests/support/mutate_sql.py staging    those with this text in their file or change
"""

import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# The fastest killers first, and for titles without a key of their own those that merge by title.
TESTS = (
    "history/test_history_properties.py",
    "history/test_history_extra.py",
    "history/test_by_title.py",
    "staging/test_quarantine.py",
    "staging/test_staging_changes.py",
    "history/test_history_cases.py",
    "history/test_late_files.py",
    "history/test_guard.py",
)
NOT_BY_PROPERTIES = (
    "sql/history/match_by_title.sql",
    "sql/history/renumbered_ids.sql",
    "python/history/merge.py",
    "python/history/pending.py",
    "python/history/diff.py",
    "python/config.py",
)
AT_ONCE, LIMIT_CPU_S = 2, 240
CONTEXT = multiprocessing.get_context("forkserver")  # each mutant: a process that has imported
CONTEXT.set_forkserver_preload(["duckdb", "pandas", "pytest"])

LIVE, REHASH = "sql/history/live_titles.sql", "sql/history/level_hashes.sql"
LEVEL_KEYS = "sql/history/level_keys.sql"
LEVEL, HASH = "sql/history/level_attributes.sql", "sql/content_hash.sql"
AUDIT = "sql/checks/current_equals_staging.sql"
DIFF, MERGE, BOOKS = "sql/history/diff.sql", "sql/history/merge.sql", "sql/history/verify.sql"
BY_ID, BY_TITLE = "sql/history/match_by_show_id.sql", "sql/history/match_by_title.sql"
TABLES, STAGING, MACROS = "sql/history/views.sql", "sql/staging/quarantine.sql", "sql/macros.sql"
TRAVEL = "sql/history/time_travel.sql"
RECORDS, KEPT = "sql/staging.sql", "sql/staging/match_unchanged.sql"
LINES, SHARED = "sql/staging/lines.sql", "sql/staging/shared_keys.sql"
TITLES, UNSTAGED = "sql/staging/titles.sql", "sql/staging/unstage_lines.sql"
REKEYED = "sql/history/renumbered_ids.sql"
PENDING, MERGED = "python/history/pending.py", "python/history/merge.py"
FOUND, GUARD = "python/history/diff.py", "python/history/diff.py"
CONFIG, PLAN = "python/config.py", "python/history/plan.py"
LANDED, DECIDED = "python/ingest/manifest.py", "python/ingest/records.py"


@dataclass(frozen=True)
class Mutant:
    """`old` occurs once in the file (or the first time is meant), and becomes `new`."""

    file: str
    old: str
    new: str

    def __str__(self) -> str:
        def short(text: str) -> str:
            return " ".join(text.split())[:52] or "(nothing)"

        return f"{self.file}: {short(self.old)} -> {short(self.new)}"


MUTANTS = [
    Mutant(*entry)
    for entry in (
        # what differs
        (
            DIFF,
            "WHEN live.title_id IS NULL THEN 'insert'",
            "WHEN live.title_id IS NULL THEN 'update'",
        ),
        (DIFF, "FULL JOIN live", "LEFT JOIN live"),
        (LIVE, "WHERE is_current", "WHERE true"),
        (LIVE, "WHEN getvariable('rehash')", "WHEN false"),
        (
            LIVE,
            '                "column",  -- each column',
            "                NULL,  -- each column",
        ),
        (REHASH, "SET row_hash = live.row_hash", "SET row_hash = row_hash"),
        (
            DIFF,
            "\n    OR (getvariable('by_title') AND new.business_key <> live.business_key)",
            "\n    OR false",
        ),
        (DIFF, "        ELSE 'level'\n", "        ELSE 'update'\n"),
        (
            DIFF,
            "each column\n    OR (getvariable",
            "each column, not description\n    OR (getvariable",
        ),
        (DIFF, "        AND different.operation = 'update'\n", ""),
        (LEVEL_KEYS, "    business_key = new.business_key,\n", ""),
        (LEVEL_KEYS, "THEN analytics_netflix_history.show_id", "THEN NULL"),
        (LEVEL_KEYS, "WHERE analytics_netflix_history.is_current\n    AND", "WHERE"),
        (
            LEVEL,
            "'of column'),  -- each stored column",
            "'column'),  -- each stored column",
        ),
        (
            LEVEL,
            "'of column'),  -- each stored column",
            "'of column'),  -- each stored column, not description",
        ),
        (LEVEL, "WHERE history.is_current\n    AND", "WHERE"),
        (DIFF, "WHERE new.row_hash IS DISTINCT FROM", "WHERE new.row_hash <>"),
        (DIFF, 'as_before(new."column", live."column", \'column\')', 'new."column"'),
        (DIFF, "column_name) AND old_value IS NULL THEN NULL", "column_name) THEN NULL"),
        (DIFF, "WHEN filled.title_id IS NOT NULL THEN 'fill'", "WHEN false THEN 'fill'"),
        (DIFF, "ON gone.business_key = quarantine.business_key", "ON false"),
        (DIFF, "ON gone.title = quarantine.title\n", "ON false\n"),
        (
            DIFF,
            "\n        AND list_contains(getvariable('key_columns'), quarantine.column_name)",
            "",
        ),
        (DIFF, "list_has_all(rejected_texts.words", "list_has_any(rejected_texts.words"),
        (DIFF, "ON list_has_all(rejected_texts.words, gone.words)", "ON false"),
        (DIFF, "THEN live.title ELSE live.business_key END", "THEN live.business_key END"),
        (DIFF, "WHERE NOT getvariable('by_title') OR quarantine.title IS NULL", "WHERE true"),
        (DIFF, "plain_title(gone.title) = plain_title(quarantine.title)", "false"),
        (DIFF, "(quarantine.title IS NULL AND gone.description =", "(gone.description ="),
        (DIFF, "gone.description = quarantine.description", "false"),
        (DIFF, "read_value IS NULL OR value", "value"),
        (DIFF, "each identity column, not title", "each identity column, not title or type"),
        (
            DIFF,
            "each identity column, not title",
            "each identity column, not title or release_year",
        ),
        (LIVE, " ?[,;|", "[,;|"),
        (DIFF, "ON gone.title_id = ambiguous_candidates.title_id", "ON false"),
        (DIFF, "WHERE different.operation = 'insert' AND NOT history.is_current", "WHERE false"),
        (DIFF, "WHEN unreadable.title_id IS NOT NULL THEN 'carry'", "WHEN false THEN 'carry'"),
        (DIFF, "LEFT JOIN unreadable ON", "INNER JOIN unreadable ON"),
        # writing it
        (MERGE, "ended.operation IN ('update', 'fill', 'delete')", "ended.operation IN ('update')"),
        (MERGE, "ended.operation IN ('update', 'fill', 'delete')", "ended.operation IN ('delete')"),
        (MERGE, "WHERE analytics_netflix_history.is_current\n    AND", "WHERE"),
        (MERGE, "    valid_to = getvariable('snapshot_at'),\n", ""),
        (MERGE, "WHEN ended.operation = 'delete' THEN 'delete'", "WHEN false THEN 'delete'"),
        (MERGE, "IN ('insert', 'update', 'fill', 'reappear')", "IN ('insert', 'update', 'fill')"),
        (
            MERGE,
            "IN ('insert', 'update', 'fill', 'reappear')",
            "IN ('insert', 'update', 'reappear')",
        ),
        (MERGE, "    AND history.is_current\n", ""),
        (MERGE, "    AND changes.operation IN ('update', 'fill')", "    AND false"),
        (MERGE, "            AND title_id IS NOT NULL\n", ""),
        (MERGE, "AND new.staged_by = changes", "AND new.batch_id = changes"),
        (MERGE, 'kept(old.title_id, new."column", old."column", \'of column\')', 'new."column"'),
        (MERGE, "'of column') AS", "'column') AS"),
        # the proof behind each merge
        (BOOKS, "WHERE valid_to <= valid_from", "WHERE valid_to < valid_from"),
        (BOOKS, "WHERE next_from < valid_to", "WHERE next_from > valid_to"),
        (BOOKS, "count(DISTINCT CASE", "count(CASE"),
        (BOOKS, "is_current <> (valid_to IS NULL)", "false"),
        (BOOKS, "live.row_count - staged.row_count", "live.row_count - live.row_count"),
        (
            BOOKS,
            "bit_xor(hash(title_id, row_hash)) AS checksum\n    FROM analytics",
            "bit_xor(hash(title_id)) AS checksum\n    FROM analytics",
        ),
        (BOOKS, "WHERE history.is_current AND merge_changes", "WHERE merge_changes"),
        # keys
        (BY_ID, "business_key AS title_id", "show_id || '' AS title_id"),
        (LIVE, "regexp_replace(lower(strip_accents(title))", "regexp_replace(lower(title)"),
        (BY_TITLE, "|| '|' || kind || '|'", "|| '|'"),
        (BY_TITLE, "ORDER BY valid_from DESC", "ORDER BY valid_from"),
        (BY_TITLE, "HAVING count(*) = 1;\n\n-- Pass 4", "HAVING count(*) > 0;\n\n-- Pass 4"),
        (BY_TITLE, "HAVING count(*) = 1;\n\n-- Pass 5", "HAVING count(*) > 0;\n\n-- Pass 5"),
        (BY_TITLE, "HAVING count(*) = 1;\n\n-- Pass 6", "HAVING count(*) > 0;\n\n-- Pass 6"),
        (BY_TITLE, "    AND staged.place = known.place", ""),
        (BY_TITLE, "AND staged.row_hash = live.row_hash\n", "\n"),
        (BY_TITLE, "'missing_columns'), column_name) THEN ''", "'missing_columns'), '') THEN ''"),
        (BY_TITLE, "AND staged.people <> '|'", ""),
        (BY_TITLE, "WHERE NOT known.is_current", "WHERE known.is_current"),
        # the audit of both
        (AUDIT, "AND staged.row_hash = live.row_hash", ""),
        (AUDIT, "AND ambiguous.business_key IS NULL", ""),
        (AUDIT, ") > kept.titles", ") > kept.titles + 1"),
        # the view of changes, and the question put to a moment
        (TABLES, "AND new.valid_from = old.valid_to", ""),
        (TABLES, "WHERE old_value IS DISTINCT FROM new_value", "WHERE old_value <> new_value"),
        (TABLES, "each column, not show_id", "each column, not show_id or rating"),
        (TABLES, "WHERE end_operation = 'delete'", "WHERE end_operation IS NOT NULL"),
        (TABLES, "WHERE operation NOT IN ('update', 'fill')", "WHERE operation = 'insert'"),
        (
            TABLES,
            "        AND ' ' || merges.tracked_columns",
            "        OR ' ' || merges.tracked_columns",
        ),
        (TABLES, "WHERE new.operation IN ('update', 'fill')", "WHERE new.operation = 'update'"),
        (TRAVEL, "OR valid_to > moment", "OR valid_to >= moment"),
        (TRAVEL, "WHERE valid_from <= moment", "WHERE valid_from < moment"),
        # staging: the hash, the duplicates, the quarantine
        (HASH, "each column, not number", "each column, not title"),
        (HASH, "each column, not number", "each column, not listed_in"),
        (HASH, "each column, not number", "each column, not date"),
        (RECORDS, "broken_rules IS NULL AS is_staged", "true AS is_staged"),
        (SHARED, "    WHERE titles.is_staged\n", ""),
        # staging: what is taken over
        (KEPT, "WHERE staged.is_staged", "WHERE true"),
        (KEPT, "WHERE record_hash IS NOT NULL", "WHERE record_hash IS NULL"),
        (LINES, "broken_rules IS NULL AS is_staged", "true AS is_staged"),
        (LINES, "staged_now.record_id > getvar", "staged_now.record_id < getvar"),
        (LINES, "new_line AS source_line", "record_id AS source_line"),
        (TITLES, "    staging_batch.batch_id\n", "    records.batch_id\n"),
        (STAGING, " AND batch_id = getvariable('batch_id')", ""),
        (SHARED, "HAVING count(*) > 1", "HAVING count(*) > 2"),
        (SHARED, "<> max(content)", "= max(content)"),
        (UNSTAGED, "shared_keys.is_conflict OR shared_keys.copy_number", "shared_keys.copy_number"),
        (UNSTAGED, "OR shared_keys.copy_number > 1", ""),
        (
            SHARED,
            "coalesce(CAST(titles.\"column\" AS VARCHAR), ''),  -- each column",
            "coalesce(CAST(titles.\"column\" AS VARCHAR), ''),  -- each column, not director",
        ),
        (RECORDS, "release_year < getvariable('earliest", "release_year > getvariable('earliest"),
        (HASH, "CAST(length(value) AS VARCHAR), ':', value", "value"),
        (
            MACROS,
            "WHEN value IS NULL AND list_contains(getvariable('not_null",
            "WHEN list_contains(getvariable('not_null",
        ),
        (
            MACROS,
            "AND NOT list_contains(getvariable('allowed_values')",
            "AND list_contains(getvariable('allowed_values')",
        ),
        (MACROS, "THEN 'missing_' || column_name", "THEN NULL"),
        # the guard
        (
            REKEYED,
            'new."column"  -- each identity column\nINNER',
            'new."column"  -- each identity column, not release_year\nINNER',
        ),
        (
            REKEYED,
            "changes.operation IN ('insert', 'reappear', 'update')",
            "changes.operation IN ('insert')",
        ),
        (
            REKEYED,
            "WHERE changes.operation IN ('update', 'delete')",
            "WHERE changes.operation IN ('delete')",
        ),
        (REKEYED, "LEFT JOIN merge_input AS new", "INNER JOIN merge_input AS new"),
        (
            MERGED,
            "            if not enforce_limits and refused is batch:\n                raise\n",
            "",
        ),
        (PENDING, "find_verdict(settings, batch, key) for", "None for"),
        (PENDING, " or is_accepted(settings, batch)\n    ]", "\n    ]"),
        (PENDING, " or batch in asked or", " or"),
        (PENDING, "or batch.snapshot_at == time", ""),
        (MERGED, "if enforce_limits or late else None", "if enforce_limits else None"),
        (MERGED, "(enforce_limits or is_accepted(settings, batch))", "enforce_limits"),
        (
            MERGED,
            "            if refused in pending.asked:\n",
            "            if refused is batch:\n",
        ),
        (MERGED, "for one in todo if one is not before]", "for one in todo]"),
        (MERGED, "merges[-1][1].objection or diff.objection", "diff.objection"),
        (PLAN, "stops[0] if stops else (late or merges)[-1]", "(late or merges)[-1]"),
        (PLAN, "(late or merges)[-1]", "merges[-1]"),
        # what a person took back
        (LANDED, "list_batches(state) if not is_left_out(state, batch)]", "list_batches(state)]"),
        (DECIDED, 'elif entry["verdict"] == "restored":', 'elif entry["verdict"] == "none":'),
        (DECIDED, "return left_out or judged", "return judged or left_out"),
        (
            MERGED,
            "        if not as_staged:\n            load_raw",
            "        if newest:\n            load_raw",
        ),
        (FOUND, '"rehash": set(then) != set(tracked)', '"rehash": False'),
        (MERGED, "if broken or carried", "if carried"),
        (CONFIG, "> self.rows and share", "> self.rows or share"),
        (
            CONFIG,
            "count > self.rows and share(count, total) > self.pct",
            "count >= self.rows and share(count, total) >= self.pct",
        ),
        (GUARD, "if not diff.previous:", "if diff.previous:"),
        (
            GUARD,
            '"the file inserts": c["insert"] + c["reappear"]',
            '"the file inserts": c["insert"]',
        ),
        (GUARD, 'diff.counts["update"] + diff.counts["delete"]', 'diff.counts["delete"]'),
        (GUARD, "Limit(rows=20, pct=5)", "Limit(rows=0, pct=5)"),
        (
            GUARD,
            'settings.cdc_key == "show_id" and (objection',
            'settings.cdc_key == "title" and (objection',
        ),
    )
]
# Left out, since nothing can tell them from the original: history/diff.sql without LIKE 'missing_%'
# (the key of the contract breaks no other rule), history/rehash.sql without its last condition.


def copy_of_project(source: Path, folder: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", ".hypothesis", "bench")
    for name in ("python", "sql", "tests", ".ci"):  # .ci: what is built depends on its lock
        shutil.copytree(source / name, folder / name, ignore=ignore)
    shutil.copy(source / "pyproject.toml", folder)


def killer(original: Path, mutant: Mutant | None) -> str:
    """The test that fails for this mutant (None: the project as it is), or '' where none does."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        copy_of_project(original, folder)
        if mutant:
            path = folder / mutant.file
            text = path.read_text(encoding="utf-8")
            assert mutant.old in text, f"{mutant}: not in the file any more"
            path.write_text(text.replace(mutant.old, mutant.new, 1), encoding="utf-8")
        order = TESTS[::-1] if mutant and mutant.file in NOT_BY_PROPERTIES else TESTS
        order = [name for name in order if name in os.environ.get("ONLY", name)]
        tests = [f"tests/{test}" for test in order if (folder / "tests" / test).exists()]
        receiver, sender = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=run_tests, args=(folder, tests, sender))
        process.start()
        sender.close()
        try:
            return receiver.recv()
        except EOFError:  # it took too long; slow is not wrong: nobody noticed it
            return ""


class FirstFailure:
    """A plugin of pytest that keeps the name of the first test that fails."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.name = self.name or report.nodeid.removeprefix("tests/")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.pytest_runtest_logreport(report)


def run_tests(folder: Path, tests: list[str], sender: Connection) -> None:
    """Run the quick ones of these tests in this process, to the first that fails; send its name."""
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_CPU_S, LIMIT_CPU_S))
    ours = {
        str(PROJECT / name) for name in ("", "python", "tests", "tests/support", "tests/history")
    }
    sys.path[:] = [entry for entry in sys.path if entry not in ours]
    sys.dont_write_bytecode = True
    os.environ["WHOLE_TABLES"] = "1"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    first = FirstFailure()
    options = ["-x", "-q", "-n0", "-m", "not slow", "-p", "no:cacheprovider", "--tb=no"]
    code = pytest.main([*tests, *options, f"--basetemp={folder / 'tmp'}"], plugins=[first])
    sender.send(first.name or ("" if code == 0 else f"pytest ended with {code}"))


def survivors(mutants: list[Mutant]) -> list[Mutant]:
    """Run all mutants, print the table, and return those that no test noticed."""
    alive = []
    with (
        tempfile.TemporaryDirectory(prefix="original-") as name,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        original = Path(name)  # one state of the project for all, whoever edits it meanwhile
        copy_of_project(PROJECT, original)
        broken = killer(original, None)
        assert not broken, f"fails without any mutant: {broken}"
        for mutant, test in zip(mutants, pool.map(partial(killer, original), mutants), strict=True):
            if not test:
                alive.append(mutant)
            print(f"{test or 'SURVIVED':<75} {mutant}", flush=True)
    killed = len(mutants) - len(alive)
    print(f"{killed} of {len(mutants)} mutants killed ({100 * killed / len(mutants):.1f} %)")
    return alive


if __name__ == "__main__":
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutant for mutant in MUTANTS if word in f"{mutant.file} {mutant.old} {mutant.new}"]
    sys.exit(bool(survivors(chosen)))

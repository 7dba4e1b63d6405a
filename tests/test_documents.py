"""The documents say what the code does: links, messages, targets, settings, tables, transcripts."""

import ast
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import CHAIN, PROJECT, catalogue, title
from documents import DOCUMENTS, find_section, first_cells, read_documents
from transcript import clone_project, run_document

from config import Settings

RUN = ("README.md", "docs/tutorial.md", "docs/adapt.md")
SPOKEN = {
    "LockedError", "NotReady", "QualityError", "Refused", "SampleError", "SettingsError",
    "StateError", "StepError", "step.note", "step.warn",
}  # fmt: skip


def describe_anchor(heading: str) -> str:
    """Return the anchor that a heading gets on the usual pages."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", [*DOCUMENTS, PROJECT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_a_relative_link_leads_to_a_file_and_a_heading(path):
    prose = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        text = target.read_text() if anchor and target.is_file() else ""
        anchors = map(describe_anchor, re.findall(r"^#+ (.+)$", text, re.MULTILINE))
        if not target.exists() or (anchor and anchor not in anchors):
            broken.append(link)
    assert broken == []


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_the_commands_of_a_document_print_what_it_shows(name, tmp_path):
    if not (PROJECT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no git checkout")
    if not (Path(sys.prefix) / "have-.ci-locks-requirements.lock").exists():
        pytest.skip("this Python is not from a virtual environment that `make setup` made")
    document = read_documents(name)
    problems, _ = run_document(document, clone_project(tmp_path))
    assert problems == []


def test_a_transcript_that_differs_is_reported(tmp_path):
    block = "```console\n$ echo 7 titles in 0.25 s; echo more\n{}\n...\n```\n"
    assert run_document(block.format("7 titles in 9.75 s"), tmp_path)[0] == []
    problems, document = run_document(block.format("8 titles in 0.25 s"), tmp_path)
    assert problems == ["$ echo 7 titles in 0.25 s; echo more\n7 titles in 0.25 s\nmore"]
    assert "\n7 titles in 0.25 s\nmore\n" in document
    assert run_document("```bash\nexit 3\n```\n", tmp_path)[0] == ["exit code 3 of:\nexit 3\n"]


def test_only_what_needs_a_network_or_cron_is_left_out_of_the_transcripts():
    left_out = [
        re.findall(r"^```sh\n(\w+ \S+)", read_documents(name), re.MULTILINE) for name in RUN
    ]
    assert left_out == [["python3 -m", "make cron-install"], [], []]


def read_text(node: ast.expr) -> str:
    """Return a text with {} for what is put into it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(read_text, node.values))
    if isinstance(node, ast.BinOp):
        return read_text(node.left) + read_text(node.right)
    return "{}"


def find_messages() -> tuple[dict[str, str], str]:
    """Return each message of an error, warning or note -> where, and all texts of the code."""
    spoken, texts = {}, []
    for path in sorted((PROJECT / "python").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant | ast.JoinedStr):
                texts.append(read_text(node))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in SPOKEN and node.args:
                text = read_text(node.args[0])
                if path.parent.name != "engines" and re.search(r"[a-z]{3}", text):
                    spoken[text] = f"{path.name}:{node.lineno}"
    return spoken, "\n".join(texts)


def test_every_message_is_in_operate_and_no_other():
    phrases = first_cells(find_section("docs/operate.md", "Messages"))
    spoken, texts = find_messages()
    unknown = [text for text in spoken if not any(phrase in text for phrase in phrases)]
    assert [(spoken[text], text) for text in unknown] == []
    assert [phrase for phrase in phrases if phrase not in texts] == []
    assert len(phrases) > 100


def test_every_target_is_in_the_reference_and_no_other():
    targets = re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    named = first_cells(find_section("docs/reference.md", "Targets"))
    assert [re.sub("^make ", "", name).split()[0] for name in named] == targets


def test_every_setting_is_in_the_reference_with_its_default_and_no_other():
    section = find_section("docs/reference.md", "Settings")
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`)? ?\|", section, re.MULTILINE)
    defaults = [(field.name.upper(), field.metadata["default"]) for field in fields(Settings)]
    assert sorted(rows) == sorted(defaults)


def test_every_check_is_in_the_reference_and_no_other():
    section = find_section("docs/reference.md", "Checks")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", section, re.MULTILINE)
    header = re.compile(r"-- (.*)\n(?:-- .*\n)*?-- severity: (\w+)\n")
    checks = []
    for path in sorted((PROJECT / "sql/checks").glob("*.sql")):
        text, severity = header.match(path.read_text()).groups()
        checks.append((path.stem, severity, text.replace("|", "\\|")))
    assert rows == checks


@pytest.fixture
def published_tables(pipeline) -> list[str]:
    """The tables that a night publishes, as its dictionary lists them."""
    source = pipeline.put(catalogue(*map(title, range(1, 41))))
    done = pipeline.steps(*CHAIN, "08_build_analytics", "09_publish", NETFLIX_CSV=source)
    assert done.returncode == 0, done.stderr
    text = (pipeline.root / "data/published/dictionary.md").read_text()
    return sorted(re.findall(r"^## (\w+)$", text, re.MULTILINE))


@pytest.mark.slow
def test_every_published_table_is_in_the_reference_and_no_other(published_tables):
    section = find_section("docs/reference.md", "Published tables")
    assert sorted(first_cells(section)) == published_tables


@pytest.mark.parametrize("heading", ["Back up and restore", "Upgrade"])
def test_what_a_person_adds_to_the_files_is_to_be_kept(heading):
    section = find_section("docs/operate.md", heading)
    own = ("`.env`", "contract", "`sql/checks/`", "`sql/analytics/kpis.sql`")
    assert [name for name in own if name not in section] == []


WORDS = re.compile(r"\b(anew|mend|beside|of late|to the letter|books)\b", re.IGNORECASE)


def test_documents_and_code_are_plain_english():
    code = [*PROJECT.glob("python/**/*.py"), *PROJECT.glob("sql/**/*.sql")]
    texts = [path.read_text() for path in (*DOCUMENTS, *code)]
    texts += [(PROJECT / name).read_text() for name in ("Makefile", ".env.example")]
    assert [line for line in "\n".join(texts).splitlines() if WORDS.search(line)] == []


def test_the_readme_is_short():
    assert len(read_documents("README.md").splitlines()) <= 180


def test_the_way_of_a_record_names_what_is_in_the_code():
    section = find_section("docs/design.md", "How a record becomes a version")
    paths = [*(PROJECT / "python").rglob("*.py"), *(PROJECT / "sql").rglob("*.sql")]
    code = "\n".join(path.read_text() for path in paths)
    names = re.findall(r"`(\w+)`", section)
    made = r"def {0}\(|(?:TABLE|VIEW) {0} (?:AS|\()|show_parquet\(\"{0}\""
    assert [name for name in names if not re.search(made.format(name), code)] == []
    assert len(names) > 12


def test_the_sql_that_runs_is_printed_by_the_command_of_design():
    section = find_section("docs/design.md", "How a record becomes a version")
    (command,) = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    command = command.replace(".venv/bin/python", sys.executable)
    shown = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True)
    assert shown.stderr == "" and "-- each column" not in shown.stdout
    assert 'OR is_other(new."title", live."title", \'title\')\n' in shown.stdout


def test_the_setting_that_adapt_shows_is_in_the_code():
    (shown,) = re.findall(r"```python\n(.*)\n```", find_section("docs/adapt.md", "A setting"))
    assert f"    {shown}\n" in (PROJECT / "python/config.py").read_text()

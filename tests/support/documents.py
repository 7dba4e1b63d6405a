"""The documents, for the tests that hold them to the code."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = (
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").glob("*.md")),
)


def read_documents(*names: str) -> str:
    """Return the text of these documents ("README.md", "docs/operate.md"), or of all of them."""
    paths = [PROJECT / name for name in names] or DOCUMENTS
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def find_section(name: str, heading: str) -> str:
    """Return what is below a heading of a document, up to the next of its level."""
    text = read_documents(name)
    level = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)[1]
    return re.split(rf"^{level} ", text.split(f"{level} {heading}\n")[1], flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """Return what stands in backticks in the first column of the tables."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)

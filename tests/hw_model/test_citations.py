"""Every equation, section and published example that the code cites leads to a place in the documentation."""

import re
from pathlib import Path

import pytest

from tokenprof.hw_model.fleet.closed_model_classes import CLASSES

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder, pattern in (
        ("hw_model", "**/*.py"),
        ("hw_model/data", "*.json"),
        ("pricing", "**/*.py"),
        ("pricing/data", "*.toml"),
        ("tokenprof", "*/**/*.py"),
        ("benchmarks", "*.py"),
    )
    for path in sorted((ROOT / folder).glob(pattern))
    if path.relative_to(ROOT).parts[1] not in {"hw_model", "pricing", "harness_adapters"}
]
HARDWARE = (ROOT / "docs" / "hardware.md").read_text("utf-8")
HEADINGS = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", HARDWARE, re.MULTILINE))
CHAIN = (ROOT / "docs" / "chain.md").read_text("utf-8")
EXAMPLES = {
    row_id
    for page in (HARDWARE, CHAIN)
    for ids in re.findall(r"^\| ([a-z]+\d?-\d+(?:, [a-z]+\d?-\d+)*) \|", page, re.MULTILINE)
    for row_id in ids.split(", ")
}

EQUATION = r"2\.[1-9]\d?"
CITATIONS = (
    # (2.3), (2.3, 2.6), (quad-1, 2.2)
    re.compile(rf"\((?:[a-z]+-\d+, )?({EQUATION}(?:, {EQUATION})*)\)"),
    # equation 2.9, equations 2.2 to 2.5
    re.compile(rf"[Ee]quations? ({EQUATION}(?:(?: to | and |, ){EQUATION})*)"),
)
SECTION = re.compile(r"section (\d+)\s+of\s+docs/hardware\.md|docs/hardware\.md, section (\d+)")
# Rows of published examples: those of the hardware model, then those of bills and of the chain.
EXAMPLE = re.compile(
    r"\b((?:par|flop|kv|fit|quad|dom"
    r"|bill|hold|shape|ttl|margin|open|sub|l[1-4]|vert|dollar|util|traj)-\d+)\b"
)


def cited(text: str) -> set[str]:
    """The numbers of equations and sections that a text cites."""
    equations = {
        number
        for citation in CITATIONS
        for group in citation.findall(text)
        for number in re.findall(EQUATION, group)
    }
    return equations | {number for pair in SECTION.findall(text) for number in pair if number}


def test_citations_are_recognised_in_every_form_that_the_code_uses():
    assert cited("a step (2.3, 2.6); quadratic (quad-1, 2.2)") == {"2.2", "2.3", "2.6"}
    assert cited("see equation 2.9 and equations 2.4 to 2.5") == {"2.4", "2.5", "2.9"}
    assert cited("section 4 of docs/hardware.md") == cited("(docs/hardware.md, section 4)") == {"4"}
    assert cited("np.sqrt(2.0) + max(2.5 * x)") == set()


def test_the_equations_are_the_fourteen_that_the_room_numbers():
    assert {f"2.{number}" for number in range(1, 15)} == {h for h in HEADINGS if "." in h}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_cites_is_documented(path):
    text = path.read_text("utf-8")
    assert cited(text) - HEADINGS == set()
    assert set(EXAMPLE.findall(text)) - EXAMPLES == set()


def test_every_equation_is_cited_by_the_code_it_documents():
    equations = {h for h in HEADINGS if "." in h}
    in_room = {
        n for path in SOURCES if ROOT / "hw_model" in path.parents for n in cited(path.read_text("utf-8"))
    }
    assert equations - in_room == set()


def test_functions_named_in_the_documentation_exist():
    named = set(re.findall(r"`(?:\w+\.)?([a-z_]+_[a-z_]+)`\)", HARDWARE))
    code = "\n".join(path.read_text("utf-8") for path in SOURCES if ROOT / "hw_model" in path.parents)
    assert len(named) > 15
    assert {name for name in named if f"def {name}(" not in code} == set()


def test_the_table_of_closed_models_has_the_figures_of_the_code():
    def row(name: str) -> list[tuple[float, ...]]:
        (line,) = re.findall(rf"^\| {name} \|(.*)$", HARDWARE, re.MULTILINE)
        ranges = line.split("|")[:3]
        return [tuple(float(n.replace(",", "").replace("k", "e3")) for n in r.split("–")) for r in ranges]

    for name, kind in (("Opus", "opus"), ("Sonnet", "sonnet"), ("Haiku, mini, Flash", "mini"),
                       ("GPT-5, Gemini Pro", "gpt")):  # fmt: skip
        believed = CLASSES[kind]
        assert row(name) == [
            believed.active_parameters_b,
            believed.total_parameters_b,
            believed.kv_bytes_per_token_bf16,
        ]

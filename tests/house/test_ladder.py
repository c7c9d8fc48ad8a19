"""Rooms import what stands below them, no files form a circle, and no room outgrows its limits."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import ladder
import pytest
from ladder import OUR_LADDER, Checkout, Ladder

import tokenprof

ROOT = Path(__file__).parents[2]
EVERY_FOLDER = (ladder.PACKAGE, *ladder.SIDE_FOLDERS, "tests", "benchmarks", "examples")


@pytest.fixture(scope="module")
def house() -> Checkout:
    return Checkout(ROOT)


def test_every_room_has_a_line_and_every_line_a_room(house: Checkout) -> None:
    assert list(ladder.rooms_and_lines(house, OUR_LADDER)) == []


def test_rooms_import_only_what_their_lines_allow(house: Checkout) -> None:
    assert list(ladder.forbidden_imports(house, OUR_LADDER)) == []


def test_imports_name_the_whole_module(house: Checkout) -> None:
    assert list(ladder.unclear_imports(house, OUR_LADDER)) == []


def test_no_files_form_a_circle(house: Checkout) -> None:
    assert list(ladder.circles(house, OUR_LADDER)) == []


def test_folders_and_files_are_within_their_limits(house: Checkout) -> None:
    assert list(ladder.oversized(house, EVERY_FOLDER)) == []


def test_every_room_is_packaged(house: Checkout) -> None:
    assert list(ladder.unpackaged(house)) == []


def test_the_layout_describes_every_room(house: Checkout) -> None:
    layout = (ROOT / "docs" / "layout.md").read_text("utf-8")
    rooms = [room for room in house.rooms() if room not in (ladder.PACKAGE, "proxy.bootstrap")]
    assert [room for room in rooms if f"{room.rpartition('.')[2]}/`" not in layout] == []


def test_the_version_is_that_of_the_distribution() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert tokenprof.__version__ == settings["project"]["version"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = (
        "import sys, tokenprof\n"
        "heavy = {'anthropic', 'openai', 'numpy', 'opentelemetry', 'toktok', 'genai_prices', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The checks themselves, tried on a small tree with one fault at a time.

SOUND = {
    "pricing/book.py": "",
    "tokenprof/facts/types.py": "from tokenprof.pricing import book\n",
    "tokenprof/record/reader.py": "import tokenprof.facts.types as types\n",
    "tokenprof/record/lookup.py": "ADAPTER = 'tokenprof.harness_adapters.acme'\n",
    "harness_adapters/acme.py": "from tokenprof.facts import types\n",
}
SMALL_LADDER = Ladder(
    {"pricing": "", "facts": "pricing", "record": "facts", "harness_adapters": "facts record"},
    {"tokenprof/record/lookup.py": "harness_adapters"},
)


def small_tree(folder: Path, **changes: str) -> Checkout:
    """Write the sound tree with some files changed; `facts__types` names tokenprof/facts/types.py."""
    for file, source in SOUND.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(source, encoding="utf-8")
    for name, source in changes.items():
        path = folder / "tokenprof" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return Checkout(folder)


Check = Callable[[Checkout, Ladder], Iterator[str]]
CHECKS: tuple[Check, ...] = (
    ladder.rooms_and_lines,
    ladder.forbidden_imports,
    ladder.unclear_imports,
    ladder.circles,
)


def complaints(tree: Checkout, table: Ladder = SMALL_LADDER) -> list[str]:
    return [complaint for check in CHECKS for complaint in check(tree, table)]


def test_a_sound_tree_passes(tmp_path: Path) -> None:
    assert complaints(small_tree(tmp_path)) == []


FACTS, READER, LOOKUP = "facts__types", "record__reader", "record__lookup"
UPWARDS = "imports tokenprof.record.lookup: facts may not import record, which is above it"
TO_AN_ADAPTER = "tokenprof.harness_adapters.acme: record may not import harness_adapters, which is above it"


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("cellar__wine", "", "the room cellar has no line in the table"),
        (FACTS, "from tokenprof.record.lookup import ADAPTER", f"tokenprof/facts/types.py:1 {UPWARDS}"),
        (FACTS, "def f():\n    import tokenprof.record.lookup", f"tokenprof/facts/types.py:2 {UPWARDS}"),
        (
            FACTS,
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tokenprof.record import lookup",
            f"tokenprof/facts/types.py:3 {UPWARDS}",
        ),
        (
            READER,
            "import tokenprof.pricing.book",
            "tokenprof/record/reader.py:1 imports tokenprof.pricing.book: record may not import pricing",
        ),
        (
            READER,
            "from tokenprof.harness_adapters import acme",
            f"tokenprof/record/reader.py:1 imports {TO_AN_ADAPTER}",
        ),
        (
            READER,
            "import importlib\nimportlib.import_module('tokenprof.harness_adapters.acme')",
            f"tokenprof/record/reader.py:2 looks up {TO_AN_ADAPTER}",
        ),
        (READER, "load_adapter('acme')", f"tokenprof/record/reader.py:1 looks up {TO_AN_ADAPTER}"),
        (
            READER,
            "ADAPTERS = {'acme': 'tokenprof.harness_adapters.acme'}",
            f"tokenprof/record/reader.py:1 looks up {TO_AN_ADAPTER}",
        ),
        (
            READER,
            "__import__(f'tokenprof.{__name__}')",
            "tokenprof/record/reader.py:1 imports a module by a computed name; "
            "list the file in FOUND_BY_NAME",
        ),
        (
            READER,
            "from . import lookup",
            "tokenprof/record/reader.py:1 imports relatively; a module is imported by its full name",
        ),
        (
            READER,
            "import pricing.book",
            "tokenprof/record/reader.py:1 imports pricing.book; its name is tokenprof.pricing.book",
        ),
        (
            LOOKUP,
            "def f():\n    import tokenprof.record.lookup",
            "a circle of imports: tokenprof.record.lookup",
        ),
    ],
)
def test_a_fault_is_reported(tmp_path: Path, file: str, source: str, complaint: str) -> None:
    assert complaints(small_tree(tmp_path, **{file: source})) == [complaint]


@pytest.mark.parametrize(
    "back",
    [
        "from tokenprof.record.lookup import x",
        "def late():\n    from tokenprof.record.lookup import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tokenprof.record.lookup",
    ],
    ids=["at the top", "in a function", "for type checkers"],
)
def test_a_circle_of_files_in_one_room_is_reported(tmp_path: Path, back: str) -> None:
    there = "from tokenprof.record import reader\nfrom tokenprof.facts import types\nx = 1"
    tree = small_tree(tmp_path, record__lookup=there, record__reader=back)
    assert complaints(tree) == ["a circle of imports: tokenprof.record.lookup, tokenprof.record.reader"]


def test_a_line_without_a_room_is_reported(tmp_path: Path) -> None:
    table = Ladder({**SMALL_LADDER.may_import, "attic": "facts"}, SMALL_LADDER.found_by_name)
    assert complaints(small_tree(tmp_path), table) == ["the line attic has no room"]


def test_a_table_that_goes_upwards_is_reported(tmp_path: Path) -> None:
    table = Ladder({**SMALL_LADDER.may_import, "facts": "pricing record"}, SMALL_LADDER.found_by_name)
    assert complaints(small_tree(tmp_path), table) == ["the line facts names record, which is not below it"]


def test_a_missing_file_in_the_second_table_is_reported(tmp_path: Path) -> None:
    table = Ladder(SMALL_LADDER.may_import, {**SMALL_LADDER.found_by_name, "tokenprof/gone.py": "facts"})
    assert complaints(small_tree(tmp_path), table) == [
        "the table of modules found by name has a line for tokenprof/gone.py, which does not exist"
    ]


def test_limits_of_folders_and_files_are_reported(tmp_path: Path) -> None:
    many = {f"facts__fact_{number}": "" for number in range(20)}
    loose = {f"loose_{number}": "" for number in range(5)}
    tree = small_tree(tmp_path, **many, **loose, record__reader="x = 1\n" * 351)
    assert list(ladder.oversized(tree)) == [
        "tokenprof/ holds 5 loose files; at most 4 are allowed",
        "tokenprof/facts/ holds 21 Python files; at most 20 are allowed",
        "tokenprof/record/reader.py has 351 lines; at most 350 are allowed",
    ]


def test_rooms_and_packages_that_do_not_match_are_reported(tmp_path: Path) -> None:
    tree = small_tree(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.setuptools]\npackages = ["tokenprof.facts", "tokenprof.record", "tokenprof.pricing", '
        '"tokenprof.attic"]\n',
        encoding="utf-8",
    )
    assert list(ladder.unpackaged(tree)) == [
        "pyproject.toml does not list the package tokenprof.harness_adapters",
        "pyproject.toml lists the package tokenprof.attic, which has no folder",
    ]

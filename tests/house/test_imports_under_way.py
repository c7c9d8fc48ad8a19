"""Nothing of ours takes a module from `sys.modules` that another thread is still importing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("tokenprof", "harness_adapters", "pricing", "hw_model")

TAKEN = re.compile(r"sys\.modules(?:\.get\(|\[[^\]]+\](?!\s*=[^=]))")
MAY_LOOK = {"tokenprof/facts/imported.py", "tokenprof/facts/adapters.py"}


@pytest.mark.parametrize(
    ("line", "is_taken"),
    [
        ('trio = sys.modules.get("trio")', True),
        ('sys.modules["trio"].run(work)', True),
        ('if sys.modules["trio"] == trio:', True),
        ('sys.modules["trio"] = trio', False),
        ('if "trio" in sys.modules:', False),
        ('trio = imported("trio")', False),
    ],
)
def test_a_module_that_is_taken_is_found(line: str, is_taken: bool) -> None:
    assert bool(TAKEN.search(line)) is is_taken


def test_modules_are_taken_only_where_their_import_is_known_to_have_ended() -> None:
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    assert len(files) > 300
    found = {path.relative_to(ROOT).as_posix() for path in files if TAKEN.search(path.read_text("utf-8"))}
    assert found == MAY_LOOK

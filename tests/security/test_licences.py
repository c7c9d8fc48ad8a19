"""The page of licences lists every direct dependency, and none of a kind that Apache-2.0 cannot go with."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_every_dependency_is_listed_with_its_licence() -> None:
    specification = importlib.util.spec_from_file_location("generate_licences", DOCS / "generate_licences.py")
    assert specification is not None
    assert specification.loader is not None
    licences = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(licences)
    table = licences.PAGE.read_text("utf-8").partition(licences.BEGIN)[2].partition(licences.END)[0]
    rows = [line.split(" | ") for line in table.splitlines() if " | " in line]
    listed = {cells[0].removeprefix("| "): cells[2] for cells in rows}
    assert set(licences.direct_dependencies()) <= set(listed)
    assert all("GPL" not in licence and "not stated" not in licence for licence in listed.values())

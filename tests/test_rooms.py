"""Who may import whom, read off the source: harness_adapters → tokenprof → {pricing, hw_model}."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"pricing", "hw_model", "harness_adapters"}
MAY_IMPORT = {
    "pricing": {"pricing"},
    "hw_model": {"hw_model"},
    "harness_adapters": {"harness_adapters", "tokenprof", "pricing", "hw_model"},
    "tokenprof": {"tokenprof", "pricing", "hw_model"},
}
RUNS_ADAPTERS_BY_NAME = {"tokenprof/testing", "tokenprof/demo.py"}


def _sources() -> list[tuple[str, Path]]:
    found = []
    for room in MAY_IMPORT:
        for path in sorted((ROOT / room).rglob("*.py")):
            inside = path.relative_to(ROOT / room).parts
            if room == "tokenprof" and inside[0] in ROOMS:
                continue
            found.append((room, path))
    return found


def _room_of(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] in ROOMS:
        return f"bare {parts[0]}"
    if parts[0] != "tokenprof":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "tokenprof"


def _imports(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; rooms are named in full"
            modules.add(node.module or "")
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


@pytest.mark.parametrize(("room", "path"), _sources(), ids=lambda v: str(v) if isinstance(v, str) else v.name)
def test_a_room_imports_only_what_stands_below_it(room: str, path: Path) -> None:
    rooms = {found for module in _imports(path) if (found := _room_of(module))}
    assert rooms <= MAY_IMPORT[room], f"{path.relative_to(ROOT)} imports {rooms - MAY_IMPORT[room]}"


def test_every_room_was_walked() -> None:
    assert {room for room, _ in _sources()} == set(MAY_IMPORT)


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = (
        "import sys, tokenprof\n"
        "heavy = {'anthropic', 'openai', 'numpy', 'opentelemetry', 'toktok', 'genai_prices', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

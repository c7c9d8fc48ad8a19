"""Write the table of dependencies and their licences into docs/security.md, from the installed packages.

python docs/generate_licences.py
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- licences: python docs/generate_licences.py -->\n", "<!-- end of licences -->\n"
PROJECT = "agent-tokenprof"

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_CLASSIFIER = "License :: OSI Approved :: "


def direct_dependencies() -> list[str]:
    """Return the names in `dependencies` of pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return [_name(requirement) for requirement in settings["project"]["dependencies"]]


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    assert found is not None, requirement
    return found[0].lower().replace("_", "-")


def with_their_own(names: list[str]) -> list[str]:
    """Return packages and, sorted after them, those that they need themselves as installed here."""
    found = dict.fromkeys(names)
    waiting = list(names)
    while waiting:
        for requirement in distribution(waiting.pop()).requires or []:
            name = _name(requirement)
            if "extra ==" not in requirement and name not in found and _is_installed(name):
                found[name] = None
                waiting.append(name)
    return [*names, *sorted(set(found) - set(names))]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def licence_of(package: Distribution) -> str:
    """Return a package's licence as its metadata states it: an expression, a field or a class."""
    metadata = package.metadata
    classes = [
        value.removeprefix(_CLASSIFIER)
        for value in metadata.get_all("Classifier") or []
        if value.startswith(_CLASSIFIER)
    ]
    field = (metadata.get("License") or "").strip()
    short = field.splitlines()[0] if field else ""
    return metadata.get("License-Expression") or short or " or ".join(classes) or "not stated"


def table() -> str:
    """Return the table in Markdown."""
    return "\n".join(["| package | needed by | licence |", "|---|---|---|", *_rows(), ""])


def _rows() -> Iterator[str]:
    direct = direct_dependencies()
    for name in with_their_own(direct):
        needed_by = "tokenprof" if name in direct else "a dependency"
        yield f"| {name} | {needed_by} | {licence_of(distribution(name))} |"


def page_with(rows: str) -> str:
    """Return the page with a table in its place."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{rows}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), "utf-8")

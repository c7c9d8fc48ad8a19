"""Imports read off a file's source: statements wherever they stand, and modules looked up by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOOK_UPS = ("import_module", "__import__", "find_spec", "load_adapter")
MODULE_NAME = re.compile(r"tokenprof(\.[a-z_][a-z0-9_]*)+\.?")


@dataclass(frozen=True)
class Import:
    """One import. Of `from a import b`, `module` is a and `member` a.b."""

    line: int
    module: str
    member: str = ""
    relative: bool = False
    by_name: bool = False
    computed: bool = False


def imports_of(path: Path) -> list[Import]:
    """Return the imports of a file, those inside functions and under `if TYPE_CHECKING` among them."""
    return [found for node in ast.walk(ast.parse(path.read_text("utf-8"))) for found in _imports(node)]


def _imports(node: ast.AST) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            yield from (Import(node.lineno, alias.name) for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            package = module or ""
            for alias in names:
                yield Import(node.lineno, package, f"{package}.{alias.name}", relative=level > 0)
        case ast.Constant(value=str(text)) if MODULE_NAME.fullmatch(text):
            yield Import(node.lineno, text.rstrip("."), by_name=True)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in LOOK_UPS:
            target = node.args[0] if node.args else None
            if not isinstance(target, ast.Constant):
                yield Import(node.lineno, "", computed=True)
            elif name == "load_adapter":
                yield Import(node.lineno, f"tokenprof.harness_adapters.{target.value}", by_name=True)

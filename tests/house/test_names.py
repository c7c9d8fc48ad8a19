"""One class, one name; and a file's name says what is inside."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ladder import SIDE_FOLDERS

ROOT = Path(__file__).parents[2]
PRODUCT = ("tokenprof", *SIDE_FOLDERS)
ELSEWHERE = ("benchmarks", "tests")
EMPTY_NAMES = (
    {"told", "held", "inside", "shape", "trail", "words", "waste", "loads"}  # too short to say what they hold
    | {"misc", "utils", "util", "helpers", "helper", "common", "stuff", "tools", "base"}
)


def python_files(root: Path, folders: Iterable[str]) -> list[Path]:
    """Return the files in some folders; the links from `tokenprof/` to other folders are not followed."""
    found = [path.relative_to(root) for folder in folders for path in (root / folder).rglob("*.py")]
    return sorted(path for path in found if path.parts[0] != "tokenprof" or path.parts[1] not in PRODUCT)


def class_names(root: Path, files: Iterable[Path]) -> dict[str, list[str]]:
    """Return, per name, the files that define a class of that name outside functions."""
    found = defaultdict(list)
    for file in files:
        waiting: list[ast.stmt] = list(ast.parse((root / file).read_text("utf-8")).body)
        while waiting:
            match waiting.pop():
                case ast.ClassDef(name=name, body=body):
                    found[name].append(file.as_posix())
                    waiting.extend(body)
                case ast.If(body=body, orelse=other) | ast.Try(body=body, orelse=other):
                    waiting.extend([*body, *other])
    return found


def doubled(names: dict[str, list[str]]) -> list[str]:
    return [f"{name}: {', '.join(files)}" for name, files in sorted(names.items()) if len(files) > 1]


def test_class_names_are_unique() -> None:
    helpers = [file for file in python_files(ROOT, ELSEWHERE) if not file.name.startswith("test_")]
    assert doubled(class_names(ROOT, [*python_files(ROOT, PRODUCT), *helpers])) == []


def shared_names(files: Iterable[Path]) -> list[str]:
    """Return the files whose name another one has: pytest imports test modules by their bare names."""
    by_name = defaultdict(list)
    for file in files:
        by_name[file.name].append(file.as_posix())
    return sorted(
        file for name, same in by_name.items() if len(same) > 1 for file in same if name != "conftest.py"
    )


def test_no_two_files_of_the_tests_have_the_same_name() -> None:
    assert shared_names(python_files(ROOT, ("tests",))) == []


def test_two_files_with_the_same_name_are_reported() -> None:
    files = [
        Path("tests/a/loops.py"),
        Path("tests/b/loops.py"),
        Path("tests/b/conftest.py"),
        Path("tests/conftest.py"),
    ]
    assert shared_names(files) == ["tests/a/loops.py", "tests/b/loops.py"]


def empty_names(files: Iterable[Path]) -> list[str]:
    return [file.as_posix() for file in files if file.stem.removeprefix("test_") in EMPTY_NAMES]


def test_file_names_say_what_is_inside() -> None:
    assert empty_names(python_files(ROOT, (*PRODUCT, *ELSEWHERE, "examples", "docs"))) == []


def test_a_doubled_class_is_reported(tmp_path: Path) -> None:
    (tmp_path / "pricing").mkdir()
    (tmp_path / "pricing" / "book.py").write_text("class Row: ...\n", encoding="utf-8")
    (tmp_path / "pricing" / "rates.py").write_text("if True:\n    class Row: ...\n", encoding="utf-8")
    files = python_files(tmp_path, PRODUCT)
    assert doubled(class_names(tmp_path, files)) == ["Row: pricing/book.py, pricing/rates.py"]


def test_an_empty_file_name_is_reported() -> None:
    files = [Path("pricing/utils.py"), Path("pricing/book.py"), Path("tests/pricing/test_waste.py")]
    assert empty_names(files) == ["pricing/utils.py", "tests/pricing/test_waste.py"]


def imports_of_conftest(text: str) -> list[int]:
    """Return the lines that import from `conftest` when tests run: any folder's may be found by that name."""
    found: list[int] = []
    waiting: list[ast.AST] = [ast.parse(text)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "conftest":
            found.append(node.lineno)
        waiting.extend(ast.iter_child_nodes(node))
    return sorted(found)


def test_an_import_of_a_conftest_is_found() -> None:
    typed = "if TYPE_CHECKING:\n    from conftest import A\n"
    assert imports_of_conftest(typed + "def test():\n    from conftest import B\n") == [4]


def test_no_test_imports_a_conftest() -> None:
    found = {
        file.as_posix(): lines
        for file in python_files(ROOT, ("tests",))
        if (lines := imports_of_conftest((ROOT / file).read_text("utf-8")))
    }
    assert found == {}

"""The ladder: which room may import which, and how large a room may grow.

A room is a folder with Python in it, named by its path below `tokenprof`. This prints the figures of
docs/layout.md, for this checkout or another one:

python tests/house/ladder.py [FOLDER]
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from source_imports import Import, imports_of

PACKAGE = "tokenprof"
SIDE_FOLDERS = ("pricing", "hw_model", "harness_adapters")
"""They stand beside `tokenprof/` in the checkout and are installed inside it."""

MAX_FILES_IN_A_FOLDER = 20
MAX_LOOSE_FILES = 4
MAX_LINES_IN_A_FILE = 350

MAY_IMPORT = {
    "pricing": "",
    "pricing.cache": "pricing",
    "pricing.chain": "pricing",
    "pricing.reconcile": "pricing",
    "hw_model.catalogue": "",
    "hw_model.equations": "hw_model.catalogue",
    "hw_model.service": "hw_model.catalogue hw_model.equations",
    "hw_model.fleet": "hw_model.catalogue hw_model.equations hw_model.service",
    "hw_model": "hw_model.catalogue hw_model.equations hw_model.service hw_model.fleet",
    "hw_model.measured": "hw_model hw_model.catalogue hw_model.equations hw_model.service hw_model.fleet",
    "data_classes": "",
    "facts.secrets": "",
    "facts": "facts.secrets pricing",
    "record.background": "facts facts.secrets",
    "record": "facts facts.secrets record.background pricing",
    "reading": "facts record record.background",
    "attribute.estimator": "facts",
    "attribute": "facts attribute.estimator pricing",
    "costing": "facts attribute pricing pricing.cache pricing.chain hw_model hw_model.equations",
    "chain": "facts costing pricing pricing.cache pricing.chain hw_model hw_model.catalogue "
    "hw_model.equations",
    "chain.claims": "facts costing chain pricing pricing.chain hw_model hw_model.catalogue "
    "hw_model.equations",
    "whatif.geometry": "facts attribute costing pricing pricing.cache",
    "whatif.levers": "facts attribute attribute.estimator costing whatif.geometry pricing pricing.chain "
    "hw_model hw_model.equations",
    "whatif": "facts attribute attribute.estimator costing whatif.geometry whatif.levers pricing "
    "pricing.chain hw_model",
    "analysis.rows": "facts attribute attribute.estimator costing pricing pricing.chain hw_model "
    "hw_model.equations",
    "analysis.findings": "facts costing analysis.rows pricing hw_model",
    "analysis": "facts reading costing chain whatif whatif.levers analysis.rows analysis.findings pricing "
    "pricing.chain hw_model hw_model.equations",
    "difference": "facts attribute attribute.estimator costing analysis pricing hw_model",
    "sessions": "facts reading attribute costing chain whatif analysis analysis.rows analysis.findings "
    "pricing hw_model hw_model.equations",
    "report": "facts costing chain chain.claims whatif analysis analysis.rows analysis.findings pricing "
    "pricing.chain hw_model",
    "report.next_steps": "costing whatif difference report hw_model",
    "report.terminal": "facts costing chain analysis.rows report pricing pricing.chain hw_model",
    "report.folders": "facts reading sessions analysis report report.terminal",
    "report.formats": "facts report report.terminal",
    "report.comparisons": "facts chain.claims difference whatif report report.next_steps report.terminal "
    "pricing.chain hw_model",
    "store.schema": "",
    "store.writing": "facts store.schema",
    "store.ingest": "facts reading attribute costing pricing store.schema store.writing",
    "store.queries": "facts reading attribute costing pricing hw_model hw_model.equations store.schema "
    "store.writing store.ingest",
    "store.exports": "facts record costing pricing store.queries",
    "store": "",
    "fleet": "facts reading pricing store.schema store.writing store.ingest store.queries",
    "pictures": "",
    "pictures.views": "facts facts.secrets attribute costing chain analysis analysis.rows difference report "
    "report.next_steps report.terminal store.queries pricing pricing.chain pricing.cache hw_model",
    "pictures.page": "facts report pictures.views",
    "pictures.live": "facts reading analysis report pricing pricing.cache pictures.views pictures.page",
    "pictures.exchange": "facts report pictures.views",
    "pictures.figures": "facts analysis report pictures.views",
    "pictures.formats": "facts analysis report pictures.views pictures.page pictures.exchange",
    "live": "facts record record.background costing analysis pricing hw_model",
    "gate": "facts record.background reading costing analysis difference report report.next_steps live "
    "pricing",
    "proxy": "facts facts.secrets record record.background live",
    "proxy.bootstrap": "",
    "testing": "facts facts.secrets pricing.cache",
    "commands.console": "facts facts.secrets reading analysis analysis.rows report store.writing "
    "store.queries hw_model",
    "commands.folders": "facts reading analysis sessions report.folders report.formats store.ingest "
    "store.queries store.writing pictures.views pictures.page commands.console",
    "commands.hw": "facts analysis commands.console pricing.chain hw_model hw_model.catalogue "
    "hw_model.equations hw_model.measured",
    "commands.prices": "facts analysis commands.console pricing",
    "commands.viewing": "facts reading analysis proxy pictures.views pictures.page pictures.live "
    "pictures.figures commands.console",
    "commands": "facts record record.background reading attribute costing chain chain.claims whatif analysis "
    "difference sessions report report.terminal report.folders report.formats report.next_steps "
    "report.comparisons "
    "store.schema store.writing store.ingest store.queries store.exports pictures.views "
    "pictures.page pictures.live live gate proxy testing commands.console commands.folders pricing "
    "pricing.chain pricing.reconcile",
    "harness_adapters": "",
    "harness_adapters.wires.framing": "record",
    "harness_adapters.wires": "facts record pricing harness_adapters.wires.framing",
    "harness_adapters.clients": "facts record record.background reading attribute harness_adapters.wires",
    "harness_adapters.transcripts": "facts record reading pricing harness_adapters.wires",
    "harness_adapters.transcripts.claude_code": "facts record reading pricing harness_adapters.wires",
    "harness_adapters.transcripts.gateways": "facts record reading pricing harness_adapters.wires "
    "harness_adapters.transcripts",
    "harness_adapters.transcripts.otel": "facts record reading pricing harness_adapters.wires "
    "harness_adapters.transcripts",
    "harness_adapters.hooks": "record harness_adapters.clients",
    "tokenprof": "facts record analysis difference report live commands",
}
"""Every room, from the bottom of the ladder to the top, and the rooms above its line that it may import.

`tokenprof` is the front door: the files directly in `tokenprof/`. It is for users; no room comes in by it.
"""

FOR_EVERY_ROOM = ("data_classes",)
"""Rooms that every later room may import without naming them: what the language itself could have had."""

FOUND_BY_NAME = {
    "tokenprof/facts/adapters.py": "harness_adapters",
    "tokenprof/record/wires.py": "harness_adapters.wires",
    "tokenprof/reading/block_texts.py": "harness_adapters.wires",
    "tokenprof/reading/formats.py": "harness_adapters.transcripts",
    "tokenprof/analysis/renderers.py": "report report.formats pictures.formats",
    "tokenprof/analysis/frames.py": "",
    "tokenprof/live/imports.py": "",
    "tokenprof/live/profile.py": "harness_adapters.clients",
    "tokenprof/proxy/wrap_in_child.py": "harness_adapters.clients",
    "tokenprof/proxy/bootstrap/tokenprof_after_import.py": "proxy",
    "tokenprof/proxy/bootstrap/sitecustomize.py": "proxy.bootstrap",
    "tokenprof/store/queries/engine.py": "",
    "tokenprof/commands/main.py": "commands commands.hw commands.prices commands.viewing",
    "tokenprof/commands/viewing/__init__.py": "commands.viewing",
    "tokenprof/commands/hw/__init__.py": "commands.hw",
    "tokenprof/commands/prices/__init__.py": "commands.prices",
    "tokenprof/commands/count.py": "harness_adapters.clients",
    "tokenprof/__init__.py": "facts record live analysis difference report",
    "hw_model/catalogue/lookup.py": "hw_model",
    "harness_adapters/clients/google_genai_sdk.py": "harness_adapters.clients",
    "harness_adapters/clients/httpx_calls.py": "harness_adapters.clients",
    "harness_adapters/clients/started_processes.py": "live",
}
"""The files that look modules up by name at run time, and the rooms that they find this way.

Adapters are found only by name, and so are renderers, since an analysis can show itself. Other look-ups are
of packages that may be missing, or of another room's data.
"""


@dataclass(frozen=True)
class Ladder:
    """The two tables; another one is laid over a made-up tree to try the checks."""

    may_import: Mapping[str, str]
    found_by_name: Mapping[str, str]
    for_every_room: tuple[str, ...] = ()

    def rooms(self) -> list[str]:
        return list(self.may_import)

    def below(self, room: str) -> set[str]:
        return set(self.may_import.get(room, "").split())

    def by_name(self, file: Path) -> set[str]:
        """Return the rooms that a file may look modules up in by name."""
        return set(self.found_by_name.get(file.as_posix(), "").split())


OUR_LADDER = Ladder(MAY_IMPORT, FOUND_BY_NAME, FOR_EVERY_ROOM)


@dataclass(frozen=True)
class SourceFile:
    """One file of the product: where it lies, and how it is imported."""

    file: Path
    module: str
    room: str


def product_sources(root: Path) -> list[SourceFile]:
    """Return the product's files; `tokenprof/pricing` and its like are links and are not walked twice."""
    found = []
    for folder in (PACKAGE, *SIDE_FOLDERS):
        for path in sorted((root / folder).rglob("*.py")):
            file = path.relative_to(root)
            if folder == PACKAGE and file.parts[1] in SIDE_FOLDERS:
                continue
            below = file.with_suffix("").parts[1 if folder == PACKAGE else 0 :]
            names = below[:-1] if below[-1] == "__init__" else below
            found.append(SourceFile(file, ".".join((PACKAGE, *names)), ".".join(below[:-1]) or PACKAGE))
    return found


@dataclass(frozen=True)
class Arrow:
    """One import of one file of ours by another."""

    importer: SourceFile
    imported: SourceFile
    line: int
    by_name: bool

    def __str__(self) -> str:
        how = "looks up" if self.by_name else "imports"
        return f"{self.importer.file}:{self.line} {how} {self.imported.module}"


class Checkout:
    """The product's files and their imports, read off the source."""

    def __init__(self, root: Path):
        self.root = root
        self.sources = product_sources(root)
        modules = {source.module: source for source in self.sources}
        self.imports: list[tuple[SourceFile, Import]] = [
            (source, found) for source in self.sources for found in imports_of(root / source.file)
        ]
        arrows = (
            Arrow(source, modules[module], found.line, found.by_name)
            for source, found in self.imports
            if (module := _module_of(found, modules)) is not None
        )
        self.arrows = list(dict.fromkeys(arrows))

    def rooms(self) -> list[str]:
        return sorted({source.room for source in self.sources})


def _module_of(found: Import, modules: Mapping[str, SourceFile]) -> str | None:
    """Return the module of ours that an import is of: `from a import b` is of a.b if that is a module."""
    return next((name for name in (found.member, found.module) if name in modules), None)


def rooms_and_lines(tree: Checkout, ladder: Ladder) -> Iterator[str]:
    """Report rooms without a line, lines without a room, and lines that name what is not below them."""
    lines = ladder.rooms()
    for room in tree.rooms():
        if room not in lines:
            yield f"the room {room} has no line in the table"
    for place, room in enumerate(lines):
        if room not in tree.rooms():
            yield f"the line {room} has no room"
        for other in sorted(ladder.below(room) - set(lines[:place])):
            yield f"the line {room} names {other}, which is not below it"
    for file in sorted(ladder.found_by_name):
        if not (tree.root / file).is_file():
            yield f"the table of modules found by name has a line for {file}, which does not exist"


def forbidden_imports(tree: Checkout, ladder: Ladder) -> Iterator[str]:
    """Report imports that the table does not allow, by statement or by name."""
    place = {room: number for number, room in enumerate(ladder.rooms())}
    for arrow in tree.arrows:
        here, there = arrow.importer.room, arrow.imported.room
        if arrow.by_name and there in ladder.by_name(arrow.importer.file):
            continue
        upwards = place.get(there, -1) > place.get(here, -1)
        open_to_all = there in ladder.for_every_room and not upwards
        if here != there and there not in ladder.below(here) and not open_to_all:
            yield f"{arrow}: {here} may not import {there}{', which is above it' if upwards else ''}"


def unclear_imports(tree: Checkout, ladder: Ladder) -> Iterator[str]:
    """Report imports that hide which file they are of."""
    for source, found in tree.imports:
        place = f"{source.file}:{found.line}"
        if found.relative:
            yield f"{place} imports relatively; a module is imported by its full name"
        elif found.module.partition(".")[0] in SIDE_FOLDERS:
            yield f"{place} imports {found.module}; its name is {PACKAGE}.{found.module}"
        elif found.computed and source.file.as_posix() not in ladder.found_by_name:
            yield f"{place} imports a module by a computed name; list the file in FOUND_BY_NAME"


def circles(tree: Checkout, ladder: Ladder) -> Iterator[str]:
    """Report circles of files; imports inside functions and for type checkers count."""
    below: dict[str, set[str]] = {source.module: set() for source in tree.sources}
    for arrow in tree.arrows:
        excused = arrow.by_name and arrow.imported.room in ladder.by_name(arrow.importer.file)
        if not excused:
            below[arrow.importer.module].add(arrow.imported.module)
    for circle in strongly_connected(below):
        yield "a circle of imports: " + ", ".join(circle)


def strongly_connected(below: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of two or more nodes that all reach each other, and nodes that reach themselves."""
    reached = {node: _reachable(node, below) for node in below}
    groups = {
        tuple(sorted(other for other in reached[node] if node in reached[other]))
        for node in below
        if node in reached[node]
    }
    return [list(group) for group in sorted(groups)]


def _reachable(start: str, below: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(below[start])
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(below[node])
    return found


def oversized(tree: Checkout, folders: tuple[str, ...] = (PACKAGE, *SIDE_FOLDERS)) -> Iterator[str]:
    """Report folders with too many files, too many loose files, and files with too many lines."""
    for folder, files in sorted(files_per_folder(tree.root, folders).items()):
        if files > MAX_FILES_IN_A_FOLDER:
            yield f"{folder}/ holds {files} Python files; at most {MAX_FILES_IN_A_FOLDER} are allowed"
        if folder in (PACKAGE, "harness_adapters") and files > MAX_LOOSE_FILES:
            yield f"{folder}/ holds {files} loose files; at most {MAX_LOOSE_FILES} are allowed"
    for source in tree.sources:
        lines = len((tree.root / source.file).read_text("utf-8").splitlines())
        if lines > MAX_LINES_IN_A_FILE:
            yield f"{source.file} has {lines} lines; at most {MAX_LINES_IN_A_FILE} are allowed"


def files_per_folder(root: Path, folders: tuple[str, ...]) -> Counter[str]:
    """Return how many Python files lie directly in each folder; links are not followed."""
    found: Counter[str] = Counter()
    for folder in folders:
        for path in (root / folder).rglob("*.py"):
            file = path.relative_to(root)
            if file.parts[0] != PACKAGE or file.parts[1] not in SIDE_FOLDERS:
                found[file.parent.as_posix()] += 1
    return found


def unpackaged(tree: Checkout) -> Iterator[str]:
    """Report rooms that an installation would lack, and packages that are not there."""
    settings = tomllib.loads((tree.root / "pyproject.toml").read_text("utf-8"))
    packages = set(settings["tool"]["setuptools"]["packages"])
    rooms = {PACKAGE if room == PACKAGE else f"{PACKAGE}.{room}" for room in tree.rooms()}
    for package in sorted(rooms - packages):
        yield f"pyproject.toml does not list the package {package}"
    for package in sorted(packages - rooms):
        yield f"pyproject.toml lists the package {package}, which has no folder"


def figures(root: Path) -> dict[str, int]:
    """Return the figures of docs/layout.md for a checkout."""
    tree = Checkout(root)
    counts = files_per_folder(root, (PACKAGE, *SIDE_FOLDERS))
    between_rooms: dict[str, set[str]] = {room: set() for room in tree.rooms()}
    between_files: dict[str, set[str]] = {source.module: set() for source in tree.sources}
    for arrow in tree.arrows:
        if not arrow.by_name:
            between_files[arrow.importer.module].add(arrow.imported.module)
            if arrow.importer.room != arrow.imported.room:
                between_rooms[arrow.importer.room].add(arrow.imported.room)
    arrows = sum(map(len, between_rooms.values()))
    possible = len(between_rooms) * (len(between_rooms) - 1)
    return {
        "files of the product": len(tree.sources),
        "rooms": len(tree.rooms()),
        "loose files in tokenprof/": counts[PACKAGE],
        "loose files in harness_adapters/": counts["harness_adapters"],
        "most files in one folder": max(counts.values()),
        "longest file, in lines": max(
            len((root / source.file).read_text("utf-8").splitlines()) for source in tree.sources
        ),
        "arrows between rooms": arrows,
        "arrows, in % of all that are possible": round(100 * arrows / possible),
        "rooms in circles": sum(map(len, strongly_connected(between_rooms))),
        "files in circles": sum(map(len, strongly_connected(between_files))),
    }


if __name__ == "__main__":
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    for name, figure in figures(checkout).items():
        sys.stdout.write(f"{figure:6}  {name}\n")

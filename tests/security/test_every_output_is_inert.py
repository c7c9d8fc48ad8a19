"""Every format of every command is inert on a hostile run; a new command or format is tried too."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hostile_run import record_hostile_run, unprintable
from parser_commands import commands

from tokenprof.commands.main import main

WORDS = {
    "report": ["report", "RUN"],
    "check": ["check", "RUN", "--baseline", "BASELINE", "--allow-missing"],
    "chain": ["chain", "RUN"],
    "sweep": ["sweep", "RUN", "--over", "utilisation=0.3,0.6"],
    "diff": ["diff", "RUN", "OTHER"],
    "whatif": ["whatif", "RUN", "--suggest"],
    "disclosure": ["disclosure", "RUN"],
    "reconcile": ["reconcile", "RUN", "--report", "COSTS"],
    "ingest": ["ingest", "RUN", "--store", "NEW"],
    "totals": ["totals", "--store", "STORE", "--by", "model,agent,tag:task"],
    "query": ["query", "--store", "STORE", "SELECT * FROM blocks"],
    "export": ["export", "--store", "STORE"],
}
"""A command line for each command that shows names from a run."""

WORDS_OF_A_FORMAT = {
    ("report", "text"): ["report", "RUN", "--full"],
    ("totals", "html"): ["totals", "--store", "STORE"],
    ("export", "focus"): ["export", "--store", "STORE", "--billing-account", "a"],
}
"""What a format takes in place of that line."""

WITHOUT_NAMES = {
    "open": "shows the page of report",
    "figure": "is drawn from the page's data",
    "live": "test_live.py",
    "statusline": "test_live.py",
    "demo": "its own run",
    "run": "the report of what it recorded",
    "proxy": "shows nothing of a run",
    "settings": "shows our own names",
    "count": "asks a provider",
    "prices": "shows our own names",
    "hw": "shows our own names",
}
"""The other commands, and why they need no line above."""


def forms() -> Iterator[tuple[str, str]]:
    """Every command and output format of the parser."""
    known = commands()
    assert set(known) == set(WORDS) | set(WITHOUT_NAMES)
    for name in WORDS:
        for form in known[name].get_default("formats") or ():
            yield name, form
    for form in ("csv", "focus", "prometheus"):
        yield "export", form


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files that the command lines name: hostile runs, a store of them, a baseline and an export."""
    folder = tmp_path_factory.mktemp("hostile")
    run, other = record_hostile_run(folder / "run.jsonl"), record_hostile_run(folder / "other.jsonl")
    places = {
        "RUN": run,
        "OTHER": other,
        "STORE": folder / "store",
        "NEW": folder / "new",
        "BASELINE": folder / "baseline.json",
        "COSTS": folder / "usage.json",
    }
    places["COSTS"].write_text(COSTS)
    main(["ingest", str(run), str(other), "--store", str(places["STORE"])])
    main(["check", str(run), "--baseline", str(places["BASELINE"]), "--update"])
    return {name: str(path) for name, path in places.items()}


COSTS = (
    '{"data": [{"starting_at": "2026-01-01T00:00:00Z", "ending_at": "2026-01-02T00:00:00Z", "results": []}],'
    ' "has_more": false}'
)


class _Page(HTMLParser):
    """The tags of a page, and the places that its attributes name."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.seen.append((tag, dict(attrs)))


def require_inert(form: str, text: str) -> None:
    """Fail if a text does anything where its format is shown."""
    # Pictures separate words by spaces that do not break.
    assert unprintable(text) <= {"\xa0"}
    if form == "svg":
        assert not {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()} & {
            "script",
            "img",
        }
    if form == "html":
        page = _Page()
        page.feed(text)
        assert not [tag for tag, _ in page.seen if tag == "img"]
        assert not [name for _, found in page.seen for name in found if name.startswith("on")]
        assert "alert(1)</script>" not in text
    if form == "markdown":
        outside = re.sub(r"`[^`\n]*`", "", re.sub(r"\\.", "", re.sub(r"(?ms)^```.*?^```$", "", text)))
        assert "@" not in text
        assert not re.search(r"<script|<img|\]\(http|www\.", outside)
    if form in ("csv", "focus"):
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not [cell for cell in cells if cell[:1] in tuple("=+@\t\r")]
    if form == "prometheus":
        assert all(
            re.match(r'#|[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? \S+$', line) for line in text.splitlines()
        )


@pytest.mark.parametrize(("command", "form"), list(forms()))
def test_it_is_inert(
    command: str, form: str, places: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = WORDS_OF_A_FORMAT.get((command, form), WORDS[command])
    capsys.readouterr()
    option = "--to" if command == "export" else "--format"
    main([places.get(word, word) for word in words] + [option, form])
    out, err = capsys.readouterr()
    assert out, err
    require_inert(form, out)
    require_inert("text", err)


HOSTILE_FILES = (
    "=1+n\x1b]0;owned\x07.jsonl",
    "<img src=x onerror=alert(1)>@octocat [x](http:evil) `x`.jsonl",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of hostile runs whose files have hostile names."""
    folder = tmp_path_factory.mktemp("folder")
    for name in HOSTILE_FILES:
        record_hostile_run(folder / name)
    return str(folder)


@pytest.mark.parametrize(
    ("command", "form"),
    [(name, form) for name in ("report", "totals") for form in commands()[name].get_default("formats")],
)
def test_a_folder_of_hostile_file_names_is_inert(
    command: str, form: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    main([command, folder, "--format", form])
    out, err = capsys.readouterr()
    assert out, err
    require_inert(form, out)
    require_inert("text", err)

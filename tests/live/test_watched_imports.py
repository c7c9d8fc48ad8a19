"""A library is watched when it is imported, and the host's own imports go on as without us."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tokenprof.live.imports import watch_when_imported
from tokenprof.live.profile import watch_all


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that can be imported, and has not been."""
    (tmp_path / "a_watched_library.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_watched_library", raising=False)
    return "a_watched_library"


class Watched:
    """Counts how often a watch was begun, and ended."""

    def __init__(self) -> None:
        self.begun = self.ended = 0

    def begin(self) -> Callable[[], None]:
        self.begun += 1
        return self.end

    def end(self) -> None:
        self.ended += 1


def test_a_library_is_watched_at_each_import_until_that_is_undone(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched, other = Watched(), Watched()
    undo, undo_other = watch_when_imported(library, watched.begin), watch_when_imported(library, other.begin)
    assert (watched.begun, other.begun) == (0, 0)
    importlib.import_module(library)
    undo_other()
    importlib.reload(sys.modules[library])
    monkeypatch.delitem(sys.modules, library)
    importlib.import_module(library)
    undo()
    importlib.reload(sys.modules[library])
    assert (watched.begun, watched.ended) == (3, 3)
    assert (other.begun, other.ended) == (1, 1)


def test_a_library_that_has_been_imported_is_watched_at_once(library: str) -> None:
    importlib.import_module(library)
    watched = Watched()
    watch_when_imported(library, watched.begin)()
    assert (watched.begun, watched.ended) == (1, 1)


def test_a_watch_that_fails_does_not_fail_the_import(library: str) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    watched = Watched()
    undo_broken, undo = watch_when_imported(library, fail), watch_when_imported(library, watched.begin)
    assert importlib.import_module(library).answer == 42
    undo_broken()
    undo()
    assert watched.begun == 1


def test_what_is_imported_while_watches_end_is_found(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class EndsTheWatches:
        """A finder of the host, during whose search the blocks of other threads end."""

        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            while name == library and watches:
                watches.pop()()

    monkeypatch.setattr(sys, "meta_path", [EndsTheWatches(), *sys.meta_path])
    watches = watch_all()
    assert importlib.import_module(library).answer == 42
    assert watches == []


def test_the_finders_do_not_become_more(library: str) -> None:
    watch_when_imported(library, Watched().begin)()
    before = list(sys.meta_path)
    watch_when_imported(library, Watched().begin)()
    watch_when_imported("another_library", Watched().begin)()
    assert sys.meta_path == before

"""What has been imported, while threads import."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from waiting import WATCHDOG_S

from tokenprof.facts.imported import imported


def test_what_has_been_imported_is_found_and_nothing_is_imported_for_it() -> None:
    assert imported("json") is json
    assert imported("a_module_that_is_not_there") is None
    assert "a_module_that_is_not_there" not in sys.modules


def test_a_module_made_by_hand_and_one_that_is_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("made_by_hand")
    monkeypatch.setitem(sys.modules, "made_by_hand", made)
    assert imported("made_by_hand") is made
    monkeypatch.setitem(sys.modules, "made_by_hand", None)
    assert imported("made_by_hand") is None


def test_a_module_that_another_thread_is_importing_is_not_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_slowly.py").write_text(
        "import hurdle\nhurdle.is_reached.set()\nassert hurdle.is_open.wait(hurdle.seconds)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    hurdle = SimpleNamespace(is_reached=threading.Event(), is_open=threading.Event(), seconds=WATCHDOG_S)
    monkeypatch.setitem(sys.modules, "hurdle", hurdle)
    with ThreadPoolExecutor() as threads:
        try:
            importing = threads.submit(import_module, "imported_slowly")
            assert hurdle.is_reached.wait(WATCHDOG_S)
            before = imported("imported_slowly")
        finally:
            hurdle.is_open.set()
        whole = importing.result(WATCHDOG_S)
    assert before is None
    assert imported("imported_slowly") is whole
    monkeypatch.delitem(sys.modules, "imported_slowly")

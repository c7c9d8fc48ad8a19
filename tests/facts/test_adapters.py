"""An adapter is loaded by its name; one that cannot be loaded is an error in one sentence."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from waiting import WATCHDOG_S

import tokenprof.harness_adapters.wires as wires
from tokenprof.facts.adapters import AdapterError, load_adapter
from tokenprof.facts.errors import TokenprofError


def test_an_adapter_is_loaded_by_its_name_below_the_folder() -> None:
    assert load_adapter("wires.openai_exchange").PROVIDER == "openai"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import a_package_that_is_not_there", "No module named 'a_package_that_is_not_there'"),
        ("def interpret(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_adapter_is_named_with_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, fault: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    monkeypatch.setattr(wires, "__path__", [*wires.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "tokenprof.harness_adapters.wires.broken", raising=False)
    with pytest.raises(AdapterError) as caught:
        load_adapter("wires.broken")
    message = str(caught.value)
    assert message.startswith("The adapter harness_adapters/wires/broken.py cannot be loaded (")
    assert fault in message
    assert "\n" not in message
    assert isinstance(caught.value, TokenprofError)


def test_a_name_without_a_module_is_an_error_of_the_same_kind() -> None:
    with pytest.raises(AdapterError, match=r"harness_adapters/wires/nothing\.py cannot be loaded"):
        load_adapter("wires.nothing")


SLOW = """
import hurdle
hurdle.is_reached.set()
assert hurdle.is_open.wait(hurdle.seconds)
answer = 42
"""


def test_an_adapter_that_another_thread_is_importing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "quick.py").write_text("")
    monkeypatch.setattr(wires, "__path__", [*wires.__path__, str(tmp_path)])
    hurdle = SimpleNamespace(is_reached=threading.Event(), is_open=threading.Event(), seconds=WATCHDOG_S)
    monkeypatch.setitem(sys.modules, "hurdle", hurdle)
    with ThreadPoolExecutor() as threads:
        try:
            first = threads.submit(load_adapter, "wires.slow")
            assert hurdle.is_reached.wait(WATCHDOG_S)
            load_adapter("wires.quick")
            second = threads.submit(lambda: load_adapter("wires.slow").answer)
        finally:
            hurdle.is_open.set()
        assert second.result(WATCHDOG_S) == first.result(WATCHDOG_S).answer == 42

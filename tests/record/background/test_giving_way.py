"""The recorder's threads let the host's run between pieces of long work; nobody else pauses."""

from __future__ import annotations

import queue

import pytest
from waiting import WATCHDOG_S

from tokenprof.harness_adapters.wires.progressive_disclosure import index_in, kind_of_text
from tokenprof.record.background import giving_way
from tokenprof.record.background.worker import Worker
from tokenprof.record.block_facts import MOST_CHILDREN, Shaper, measure

LONG = "Look at the result, then go on. " * 20_000


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(giving_way, "_sleep", taken.append)
    return taken


def on_a_thread_of_ours(text: str) -> None:
    """Make a block of a text as the recorder does."""
    done: queue.SimpleQueue[object] = queue.SimpleQueue()
    worker: Worker[str] = Worker(
        "tokenprof-recorder",
        lambda each: done.put(Shaper(b"k" * 32, later=lambda _: None).block("user", "t", each, text=each)),
        lambda _item, error: done.put(error),
    )
    worker.put(text)
    found = done.get(timeout=WATCHDOG_S)
    worker.finish()
    assert worker.wait(WATCHDOG_S)
    assert not isinstance(found, BaseException)


def test_a_recorder_pauses_between_the_pieces_of_a_long_text(pauses: list[float]) -> None:
    on_a_thread_of_ours(LONG)
    assert len(pauses) >= len(LONG) // giving_way.LARGE_BYTES
    assert set(pauses) == {giving_way.PAUSE_S}


def test_a_recorder_does_not_pause_for_a_short_text(pauses: list[float]) -> None:
    on_a_thread_of_ours(LONG[:2_000])
    assert pauses == []


def test_a_thread_of_the_host_and_a_reader_of_files_never_pause(pauses: list[float]) -> None:
    assert measure(LONG, {}).chars == len(LONG)
    giving_way.give_way()
    assert pauses == []


def entries(count: int) -> str:
    return "Available skills:\n" + "".join(f"- skill-{at}: does something\n" for at in range(count))


def test_of_a_long_index_as_many_entries_are_held_as_a_block_keeps() -> None:
    found, is_mostly_index = index_in(entries(5 * MOST_CHILDREN))
    assert is_mostly_index
    assert [name for name, _ in found] == [f"skill-{at}" for at in range(MOST_CHILDREN)]
    assert kind_of_text(entries(5 * MOST_CHILDREN), "user", "messages")[0] == "skills_index"


def test_a_long_index_in_a_longer_text_is_not_half_of_it() -> None:
    text = entries(2 * MOST_CHILDREN)
    found, is_mostly_index = index_in(text + "Prose. " * len(text))
    assert len(found) == MOST_CHILDREN
    assert not is_mostly_index


def test_two_lines_do_not_make_an_index() -> None:
    assert index_in(entries(2)) == ([], False)
    assert index_in(entries(3))[1]

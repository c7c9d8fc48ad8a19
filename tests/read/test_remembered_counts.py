"""Token counts that are kept between runs: the same counts, no texts, and never needed."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from tokenprof.reading.batch_counts import BatchCounts
from tokenprof.reading.files import read
from tokenprof.reading.remembered_counts import MOST_RECORDS, RememberedCounts, cache_file
from tokenprof.record.background.counting import VOCABULARIES, count_tokens

KEY = b"k" * 32
LONG = "A text of more than two hundred characters. " * 6
LOGS = Path(__file__).parent.parent / "data" / "logs"
SESSION = LOGS / "session_log" / "8463c716-a2ea-4c14-9efa-87158ebd9f20.jsonl"
RECORD_BYTES = 28


def counts(number: int) -> dict[str, int]:
    return dict.fromkeys(VOCABULARIES, number)


def kept(path: Path, *texts: str) -> RememberedCounts:
    keep(RememberedCounts(path, KEY), *texts)
    return RememberedCounts(path, KEY)


def keep(memory: RememberedCounts, *texts: str) -> None:
    memory.counted(texts, lambda new: [counts(number) for number, _ in enumerate(new, 1)])


def find(memory: RememberedCounts, *texts: str) -> list[Mapping[str, int] | None]:
    """Return what is known of each text: one that has to be counted has no counts, which are not kept."""
    return [tokens or None for tokens in memory.counted(texts, lambda new: [{} for _ in new])]


def test_a_count_is_found_by_the_next_process_and_a_short_text_is_not_kept(tmp_path):
    memory = kept(tmp_path / "counts", LONG, LONG + "more", "short")
    assert find(memory, LONG + "more", "unknown" * 50, LONG, "short") == [counts(2), None, counts(1), None]


def test_a_count_is_found_again_in_the_same_process_without_any_file():
    memory = RememberedCounts(None, KEY)
    keep(memory, LONG)
    assert find(memory, LONG) == [counts(1)]


def test_only_its_owner_can_read_the_file_and_it_holds_no_text(tmp_path):
    path = tmp_path / "cache" / "counts"
    kept(path, LONG)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.stat().st_size == RECORD_BYTES
    assert b"text" not in path.read_bytes()


def test_another_key_finds_nothing(tmp_path):
    kept(tmp_path / "counts", LONG)
    assert find(RememberedCounts(tmp_path / "counts", b"o" * 32), LONG) == [None]


def test_a_file_that_others_can_write_is_not_believed(tmp_path):
    path = tmp_path / "counts"
    kept(path, LONG)
    path.chmod(0o666)
    assert find(RememberedCounts(path, KEY), LONG) == [None]


@pytest.mark.parametrize("damage", ["cut", "changed", "folder", "unwritable"])
def test_whatever_is_wrong_with_the_file_costs_only_time(tmp_path, damage):
    path = tmp_path / "counts"
    kept(path, LONG, LONG + "more")
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: RECORD_BYTES + 5])
    elif damage == "changed":
        path.write_bytes(data[: RECORD_BYTES + 16] + b"\xff" + data[RECORD_BYTES + 17 :])
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.unlink()
        (tmp_path / "counts").symlink_to(tmp_path / "elsewhere")
    memory = RememberedCounts(path, KEY)
    expected = [counts(1), None] if damage in ("cut", "changed") else [None, None]
    assert find(memory, LONG, LONG + "more") == expected
    keep(memory, LONG + "last")
    again = find(RememberedCounts(path, KEY), LONG + "last")
    assert again == ([counts(1)] if damage in ("cut", "changed") else [None])
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_file_drops_its_older_half(tmp_path, monkeypatch):
    monkeypatch.setattr("tokenprof.reading.remembered_counts.MOST_RECORDS", 4)
    path = tmp_path / "counts"
    texts = [f"{number}{LONG}" for number in range(5)]
    for text in texts:
        kept(path, text)
    is_found = [found is not None for found in find(RememberedCounts(path, KEY), *texts)]
    assert is_found == [False, False, True, True, True]
    assert MOST_RECORDS == 1_000_000


def test_where_counts_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKENPROF_CACHE", "off")
    assert cache_file() is None
    monkeypatch.delenv("TOKENPROF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_file() == tmp_path / "tokenprof" / "token-counts-o200k_base-cl100k_base-1"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_file() == tmp_path / ".cache" / "tokenprof" / "token-counts-o200k_base-cl100k_base-1"


def test_a_session_reads_alike_with_and_without_kept_counts(tmp_path, monkeypatch):
    bare = read(SESSION)
    monkeypatch.delenv("TOKENPROF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = read(SESSION), read(SESSION)
    assert first == second == bare
    assert os.path.getsize(tmp_path / "tokenprof" / "token-counts-o200k_base-cl100k_base-1") > 0


def test_counts_of_a_batch_are_those_of_the_tokenizer():
    texts = [LONG, "short", LONG, ""]
    batch = BatchCounts()
    promised = batch(texts)
    assert promised == [{}, {}, {}, {}]
    batch.finish()
    assert promised == count_tokens(texts)

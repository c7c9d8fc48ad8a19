"""Small inputs that would take gigabytes, and deep ones, end in a sentence; sound ones are read whole."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest
import zstandard

from tokenprof.facts.errors import InputError
from tokenprof.harness_adapters.transcripts.inspect_log import MOST_REPETITIONS, _referred
from tokenprof.reading.files import read
from tokenprof.record.content_coding import DecodedTooLargeError, decoded, decoded_bytes_allowed
from tokenprof.report.report_reader import load_report

MIB = 2**20
LOGS = Path(__file__).parents[1] / "data" / "logs"

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstandard.compress,
}


def test_the_bound_by_hand() -> None:
    assert decoded_bytes_allowed(0) == 16 * MIB
    assert decoded_bytes_allowed(MIB) == 200 * MIB
    assert decoded_bytes_allowed(2 * MIB) == 256 * MIB
    assert decoded_bytes_allowed(100 * MIB, 1024 * MIB) == 1024 * MIB


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3 * MIB])
def test_what_is_within_the_bound_is_decoded_whole(coding: str, size: int) -> None:
    data = (b'{"number": 12345, "text": "several words"}\n' * (size // 40 + 1))[:size]
    assert decoded(CODINGS[coding](data), coding) == data


@pytest.mark.parametrize("coding", CODINGS)
def test_what_is_beyond_the_bound_is_refused(coding: str) -> None:
    packed = CODINGS[coding](bytes(20 * MIB))
    assert len(packed) < 100_000
    with pytest.raises(DecodedTooLargeError, match="decodes to more than"):
        decoded(packed, coding)


@pytest.mark.parametrize("coding", CODINGS)
def test_what_comes_before_a_cut_is_kept(coding: str) -> None:
    words = " ".join(str(number * 7919) for number in range(400_000)).encode()
    packed = CODINGS[coding](words)
    part = decoded(packed[: len(packed) // 2], coding)
    assert len(part) > MIB
    assert words.startswith(part)


def test_an_unknown_coding_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="is not gzip") as caught:
        decoded(b"x", "KEYCANARY")
    assert "KEYCANARY" not in str(caught.value)


def archive(path: Path, sample: bytes, members: int = 1) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("_journal/start.json", "{}")
        for number in range(members):
            packed.writestr(f"samples/{number}.json", sample)
    return path


def test_a_member_that_unpacks_to_gigabytes_is_refused_by_name(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.eval", b'{"events": [' + b"{}," * (7 * MIB) + b"{}]}")
    assert bomb.stat().st_size < 100_000
    with pytest.raises(InputError, match=r"bomb\.eval: the member 'samples/0\.json' is packed in"):
        read([bomb])


def test_many_members_are_bounded_together(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.eval", b'{"events": []}' + b" " * (10 * MIB), members=3)
    with pytest.raises(InputError, match=r"the member 'samples/1\.json'"):
        read([bomb])


def test_a_prompt_cannot_refer_to_its_sample_without_end() -> None:
    pool = [{"a": 1}, {"b": 2}]
    assert _referred(pool, [[0, 2]] * MOST_REPETITIONS) == pool * MOST_REPETITIONS
    with pytest.raises(ValueError, match="refers to more messages"):
        _referred(pool, [[0, 2]] * (MOST_REPETITIONS + 1))


@pytest.mark.parametrize("depth", [100, 500, 900, 1020, 5000, 200_000])
@pytest.mark.parametrize(
    "log", ["codex/rollout.jsonl", "stream_json/stream.jsonl", "otlp_spans/traceloop.jsonl"]
)
def test_deep_nesting_in_a_log_is_read_or_named(log: str, depth: int, tmp_path: Path) -> None:
    first, *rest = (LOGS / log).read_bytes().splitlines()
    deep = b'{"deep": ' + b"[" * depth + b"]" * depth + b", " + first[1:]
    path = tmp_path / "deep.jsonl"
    path.write_bytes(b"\n".join([first, deep, *rest]))
    try:
        read_or_said = str(len(read([path]).turns))
    except InputError as error:
        read_or_said = str(error)
    assert str(path) in read_or_said or int(read_or_said) > 0


@pytest.mark.parametrize("depth", [500, 1020, 200_000])
def test_deep_nesting_in_a_report_is_named(depth: int, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    data = (Path(__file__).parents[1] / "data" / "release_0_1" / "report.json").read_bytes()
    path.write_bytes(
        data.replace(b'"findings":', b'"findings":' + b"[" * depth + b"]" * depth + b', "x":', 1)
    )
    with pytest.raises(InputError, match=r"report\.json"):
        load_report(path)


def test_a_field_of_another_type_is_named_with_its_place(tmp_path: Path) -> None:
    report = json.loads((Path(__file__).parents[1] / "data" / "release_0_1" / "report.json").read_bytes())
    report["blocks"][2]["tokens_high"] = [1]
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report), "utf-8")
    with pytest.raises(InputError, match=r"rows\.blocks\[2\]\.tokens_high holds a list"):
        load_report(path)

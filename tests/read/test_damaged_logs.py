"""Logs of other programs as crashes, shells and archivers leave them."""

import bz2
import codecs
import contextlib
import gzip
import io
import json
import lzma
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from claude_code_rows import Log, text, usage

from tokenprof.facts.errors import InputError
from tokenprof.reading import json_lines, log_bytes
from tokenprof.reading.files import read
from tokenprof.reading.lenient_json import RecordFinder, parse_json

CODEX = Path(__file__).parent.parent / "data" / "logs" / "codex" / "rollout.jsonl"


def session():
    """Lines of two responses: 1,000 tokens in and 10 out, then 2,000 in and 20 out."""
    log = Log()
    log.user("hello")
    log.answer("msg_1", text("hi"), usage=usage(fresh=1000, output=10), stop="end_turn")
    log.user("more")
    log.answer("msg_2", text("ho"), usage=usage(fresh=2000, output=20), stop="end_turn")
    return [json.dumps(row).encode() + b"\n" for row in log.rows]


def billed(run):
    return [(turn.usage.input_tokens, turn.usage.output_tokens) for turn in run.turns]


WHOLE = [(1000, 10), (2000, 20)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"\0" * 4096 + b"\n", "this line was left out: it holds 4,096 zero bytes and nothing else."),
        (b'{"type": "user", "mess\n', "this line was left out: it is not JSON (unexpected"),
        (b"42\n", "this line was left out: it is not a JSON object."),
        (b"[" * 5000 + b"\n", "this line was left out: it is not JSON ("),
        (b'{"type": "user", "uuid": "u", "message": {"content": NaN}, "sub\xff": "\xed\xa0\xbd"}\n', None),
        (b'{"type": "assistant", "uuid": "u", "message": {"id": "m", "usage": [7], "content": 3}}\n', None),
        (b"\r\n", None),
    ],
)
def test_a_bad_line_costs_a_warning_and_not_the_report(tmp_path, line, said):
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"".join([*session(), line, *session()]))
    run = read(path)
    assert [pair for pair in billed_or_none(run) if pair] == WHOLE
    lost = [w for w in run.warnings if w.startswith(f"{path}:5: ")]
    assert [w.startswith(f"{path}:5: {said}") for w in lost] == ([True] if said else [])


def billed_or_none(run):
    return [turn.usage and (turn.usage.input_tokens, turn.usage.output_tokens) for turn in run.turns]


def test_records_that_an_interrupted_write_glued_together_are_all_read(tmp_path):
    first, second, third, fourth = session()
    path = tmp_path / "s.jsonl"
    path.write_bytes(first.rstrip() + second.rstrip() + third + b"\0" * 512 + fourth)
    run = read(path)
    assert (billed(run), run.warnings) == (WHOLE, ())


def test_half_a_record_before_a_whole_one_loses_only_the_half(tmp_path):
    first, second, third, fourth = session()
    path = tmp_path / "s.jsonl"
    path.write_bytes(first + second + third + third[:40] + fourth)
    run = read(path)
    assert billed(run) == WHOLE
    assert run.warnings == (
        f"{path}:4: a part of this line was left out: 40 characters of it belong to no whole record.",
    )


def test_an_object_inside_a_record_that_was_cut_is_not_taken_for_a_record():
    finder = RecordFinder()
    assert finder.records_of(b'{"id": 1}\n') == ([{"id": 1}], None)
    records, lost = finder.records_of(b'{"id": 2, "inner": {"id": 3}, "more": \n')
    assert records == []
    assert lost.startswith("it is not JSON (")


def test_the_lines_beyond_the_first_five_bad_ones_are_counted(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"".join([*session(), *[b"{bad\n"] * 8]))
    run = read(path)
    assert [w.partition(": ")[0] for w in run.warnings] == [f"{path}:{n}" for n in range(5, 10)] + [str(path)]
    assert run.warnings[-1] == f"{path}: 3 more lines were left out; they are not JSON either."


def test_a_line_that_is_too_long_is_left_out_and_the_next_one_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "LONGEST_LINE_BYTES", 2**20)
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"".join([*session()[:2], b" " * (3 * 2**20) + b"\n", *session()[2:]]))
    run = read(path)
    assert billed(run) == WHOLE
    assert run.warnings == (f"{path}:3: this line was left out: it is longer than 1 MiB.",)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (rb'["\ud83d", "\ud83d\ude00"]', ["\ufffd", "\U0001f600"]),
        (b"[NaN, -Infinity, 1e999, 5]", [None, None, None, 5]),
        (b'["a\tb"]', ["a\tb"]),
        (b"\xef\xbb\xbf[1]\0\0", [1]),
        (b'[NaN, "\xff"]', [None, "\ufffd"]),
        (b"[NaN, 123456789012345678901234567890]", [None, 123456789012345678901234567890.0]),
    ],
)
def test_what_no_json_can_hold_is_replaced(written, value):
    assert parse_json(written) == value


@pytest.mark.parametrize("data", [b"[1] [2]", b"", b"\0", b"{", b"[" * 100_000])
def test_what_is_not_one_value_is_an_error(data):
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(data)


@pytest.mark.parametrize(
    "encode",
    [
        lambda data: codecs.BOM_UTF8 + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.decode().encode("utf-16"),
        lambda data: data.decode().encode("utf-16-le"),
        lambda data: data.decode().encode("utf-16-be"),
        lambda data: data.decode().replace("\n", "\r\n").encode("utf-32"),
        gzip.compress,
        bz2.compress,
        lzma.compress,
        zstandard.ZstdCompressor().compress,
        lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
        lambda data: gzip.compress(data.decode().encode("utf-16")),
    ],
)
def test_a_log_is_read_in_whatever_encoding_or_compression(tmp_path, encode):
    path = tmp_path / "s.jsonl"
    path.write_bytes(encode(b"".join(session())))
    run = read(path)
    assert (billed(run), run.warnings) == (WHOLE, ())


def test_compressed_logs_in_a_folder_are_found_by_their_endings(tmp_path):
    data = b"".join(session())
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(data))
    (tmp_path / "rollout.jsonl.zst").write_bytes(zstandard.compress(CODEX.read_bytes()))
    (tmp_path / "b.jsonl.br").write_bytes(b"whatever brotli writes")
    run = read(tmp_path)
    assert len(run.turns) == 2 + len(read(CODEX).turns)
    assert [turn.context for turn in run.turns if turn.id == "msg_1"] == ["a"]
    assert run.warnings == (f"{tmp_path}: these files have an unknown format and were left out: b.jsonl.br.",)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_log_that_ends_early_is_read_up_to_there(tmp_path, compress):
    lines = session()
    whole = compress(b"".join([*lines, *[b'{"filler": "%d"}\n' % (n * n) for n in range(200_000)]]))
    path = tmp_path / "s.jsonl.x"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    run = read(path)
    assert billed(run) == WHOLE
    assert len(run.warnings) == 1
    assert "damaged or cut short" in run.warnings[0]


def test_a_file_that_expands_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(log_bytes, "ALWAYS_ALLOWED_BYTES", 10_000)
    path = tmp_path / "s.jsonl.zst"
    path.write_bytes(zstandard.compress(b"".join(session()) + b" " * 50_000_000))
    with pytest.raises(InputError, match="expands to more than 1000 times its size"):
        read(path)


def test_a_document_that_expands_beyond_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(log_bytes, "LARGEST_DOCUMENT_BYTES", 2**20)
    path = tmp_path / "log.json.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * 2**21 + b"]"))
    with pytest.raises(InputError, match="expands to more than 1 MiB"):
        log_bytes.read_whole(path)


def test_one_bad_file_does_not_cost_the_folder(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"".join(session()))
    cut = tmp_path / "b.eval"
    cut.write_bytes(b"PK\x03\x04" + b"\0" * 30 + b"_journal/" + b"\0" * 100)
    run = read(tmp_path)
    assert billed(run) == WHOLE
    assert len(run.warnings) == 1
    assert run.warnings[0].startswith(str(cut))
    assert run.warnings[0].endswith("It was left out.")
    with pytest.raises(InputError, match=r"b\.eval"):
        read([tmp_path / "a.jsonl", cut])


def test_a_folder_of_bad_files_only_is_an_error(tmp_path):
    (tmp_path / "b.eval").write_bytes(b"PK\x03\x04" + b"\0" * 30 + b"_journal/" + b"\0" * 100)
    with pytest.raises(InputError, match=r"b\.eval"):
        read(tmp_path)


def test_json_files_without_counts_are_passed_over_in_silence(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"".join(session()))
    (tmp_path / "settings.json").write_text('{"theme": "dark"}')
    (tmp_path / "bill.json").write_text('{"calls": [{"promptTokens": 3}]}')
    assert read(tmp_path).warnings == (
        f"{tmp_path}: these files have an unknown format and were left out: bill.json.",
    )


def test_the_digests_of_a_log_depend_on_no_folder(tmp_path):
    program = (
        "import sys; from tokenprof.reading.files import read; "
        "print([block.digest for turn in read(sys.argv[1]).turns for block in turn.added])"
    )
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").touch()
        shutil.copy(CODEX, tmp_path / name / "rollout.jsonl")
    seen = {
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / copy / "rollout.jsonl")],
            cwd=tmp_path / folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for folder in ("here", "there")
        for copy in ("here", "there")
    }
    assert len(seen) == 1


def zipped(path, name, log):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, log)


def tarred(path, name, log):
    member = tarfile.TarInfo(name)
    member.size = len(log)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(member, io.BytesIO(log))


@pytest.mark.parametrize(("archive", "pack"), [("old.zip", zipped), ("old.tar.gz", tarred)])
def test_an_archive_of_logs_in_a_folder_is_named(tmp_path, archive, pack):
    (tmp_path / "s.jsonl").write_bytes(b"".join(session()))
    pack(tmp_path / archive, "projects/s.jsonl", b"".join(session()))
    run = read(tmp_path)
    assert billed(run) == WHOLE
    assert any(f"left out: {archive}" in warning for warning in run.warnings)


@pytest.mark.parametrize(("archive", "pack"), [("old.zip", zipped), ("old.tar.gz", tarred)])
def test_an_archive_of_other_things_is_passed_over_in_silence(tmp_path, archive, pack):
    (tmp_path / "s.jsonl").write_bytes(b"".join(session()))
    pack(tmp_path / archive, "a.png", b"")
    assert read(tmp_path).warnings == ()


@pytest.mark.parametrize(("cut_bytes", "more"), [(8, b""), (0, b"trailing garbage"), (0, b"\x00" * 4096)])
def test_what_a_damaged_compressed_log_holds_before_the_damage_is_read(
    cut_bytes: int, more: bytes, tmp_path: Path
) -> None:
    log = Path(__file__).parents[1] / "data" / "logs" / "codex" / "rollout.jsonl"
    data = gzip.compress(log.read_bytes())
    path = tmp_path / "rollout.jsonl.gz"
    path.write_bytes(data[: len(data) - cut_bytes] + more)
    run = read([path])
    assert [turn.usage for turn in run.turns] == [turn.usage for turn in read([log]).turns]
    is_damage = more.strip(b"\x00") or cut_bytes
    assert any("is damaged or cut short" in warning for warning in run.warnings) == bool(is_damage)


def test_a_compressed_log_of_which_nothing_is_left_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"type": "session_meta"}\n')[:20])
    with pytest.raises(InputError, match=r"damaged or cut short .* No line of it can be read; copy it again"):
        read([path])


def test_a_document_whose_text_breaks_off_says_so(tmp_path: Path) -> None:
    """Cut within a text and continued there, only the line break shows that an observation is missing."""
    log = Path(__file__).parents[1] / "data" / "logs" / "langfuse_export" / "observations.json"
    data = log.read_bytes()
    words = b"You are a clerk who explains words. "
    first, last = data.index(words), data.rindex(words)
    path = tmp_path / "observations.json"
    path.write_bytes(data[: first + 5] + b"\n" + data[last + 5 :])
    run = read([path])
    assert len(run.turns) < len(read([log]).turns)
    assert any("breaks off or holds a control character" in warning for warning in run.warnings)


@pytest.mark.parametrize("depth", [300, 900, 980, 1020, 3000, 100_000])
def test_half_a_character_in_a_nested_value_is_read_or_refused_in_a_sentence(depth: int) -> None:
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        data = (opened * depth + r'"\ud800"' + closed * depth).encode()
        with contextlib.suppress(ValueError):
            assert parse_json(data)

"""Files and folders of any format into one run, and what is said of bad input."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import anthropic
import pytest

import tokenprof
from tokenprof.facts.errors import InputError, TokenprofError
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.proxy.upstream import upstream_at
from tokenprof.reading.files import read
from tokenprof.record.recorder import Recorder
from tokenprof.testing import LoopbackProvider, Reply

DATA = Path(__file__).parent.parent / "data" / "logs" / "session_log"
SESSION = DATA / "session_2.1.330.jsonl"
EXCERPT = DATA / "8463c716-a2ea-4c14-9efa-87158ebd9f20.jsonl"


def error_of(*paths):
    with pytest.raises(InputError) as caught:
        read(list(paths))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_file_is_named(tmp_path):
    assert (
        error_of(tmp_path / "no.jsonl")
        == f"{tmp_path}/no.jsonl cannot be read: No such file or directory. Check the name."
    )


def test_an_empty_file_is_named(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.touch()
    assert error_of(path) == f"{path}:1: the file is empty; was the recording started and ended?"


@pytest.mark.parametrize(
    "content", ["date,tokens\n2026-01-01,5\n", '{"hello": "world"}\n', "[1, 2]\n", "\n\n", "\x00\x01"]
)
def test_a_file_of_another_format_is_told_what_is_known(tmp_path, content):
    path = tmp_path / "other.jsonl"
    path.write_text(content)
    message = error_of(path)
    assert message.startswith(f"{path}:1: tokenprof does not know this format.")
    assert "Claude Code session" in message


def our_line(span_id="1" * 16):
    span = {"name": "chat", "traceId": "0" * 32, "spanId": span_id, "startTimeUnixNano": "1", "attributes": [
        {"key": "tokenprof.record", "value": {"stringValue": "attempt"}}]}  # fmt: skip
    scope = {"scope": {"name": "tokenprof"}, "spans": [span]}
    return json.dumps({"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [scope]}]}) + "\n"


def test_a_malformed_line_of_our_own_is_an_error_with_its_number(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text("".join([our_line(), "{half a li\n", our_line()]))
    assert error_of(path).startswith(f"{path}:2: this line is not JSON")


def test_a_line_of_our_own_that_ends_too_early_is_missing_unless_it_stands_whole_below(tmp_path):
    path = tmp_path / "s.jsonl"
    first, second = our_line("1" * 16), our_line("2" * 16)
    half, zeros = second[:100] + "\n", "\0" * 40 + "\n"
    path.write_text("".join([first, half, second]))
    assert read([path]).warnings == (
        f"{path}: 2 failed attempts led to no response and to no bill; not counted as turns.",
    )
    path.write_text("".join([first, zeros, second, half]))
    assert read([path]).warnings[:2] == (
        f"{path}:2: this line is cut short and was left out.",
        f"{path}:4: this line is cut short and was left out.",
    )


def test_a_line_of_our_own_that_is_not_an_object_is_an_error(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text("".join([our_line(), "42\n"]))
    assert error_of(path).startswith(f"{path}:2: this line is not a JSON object")


def test_a_last_line_cut_short_is_a_warning(tmp_path):
    lines = SESSION.read_text().splitlines()
    path = tmp_path / "s.jsonl"
    path.write_text("\n".join([*lines, '{"type": "user", "uu']))
    run = read([path])
    assert len(run.turns) == 4
    assert run.warnings == (f"{path}:{len(lines) + 1}: this line is cut short and was left out.",)


def test_a_whole_last_line_without_its_newline_is_read(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text(SESSION.read_text().rstrip("\n"))
    run = read([path])
    assert (len(run.turns), run.warnings) == (4, ())


def test_a_folder_is_read_whole_and_subagents_only_with_their_session(tmp_path):
    folder = tmp_path / "projects"
    shutil.copytree(DATA, folder / "one")
    (folder / "notes.jsonl").write_text('{"note": 1}\n')
    run = read([folder])
    assert [Path(source.file).name for source in run.sources] == [EXCERPT.name, SESSION.name]
    assert len(run.turns) == 14
    assert run.warnings[0] == (
        f"{folder}: these files have an unknown format and were left out: notes.jsonl, "
        "one/session_2.1.330.jsonl.bill.json."
    )


def test_a_folder_without_any_recording_is_an_error(tmp_path):
    (tmp_path / "notes.jsonl").write_text('{"note": 1}\n')
    assert error_of(tmp_path).startswith(f"{tmp_path} holds no file that tokenprof can read.")


def test_turns_of_many_files_are_in_time_order_with_bases_adjusted():
    apart = {turn.id: prompt for path in (SESSION, EXCERPT) for turn, prompt in prompts_of([path])}
    run = read([SESSION, EXCERPT])
    assert [turn.started_at for turn in run.turns] == sorted(turn.started_at for turn in run.turns)
    assert run.turns[-1].id == "msg_mock11"
    assert {turn.id: prompt for turn, prompt in prompts_of([SESSION, EXCERPT])} == apart


def prompts_of(paths):
    run = read(paths)
    return list(zip(run.turns, run.prompts(), strict=True))


def test_a_file_named_twice_is_read_once():
    assert len(read([SESSION, SESSION, SESSION.parent / "." / SESSION.name]).turns) == 4


def test_responses_that_a_resumed_session_repeats_are_counted_once(tmp_path):
    """The second file holds the first one's three responses again, and one of its own."""
    lines = SESSION.read_text().splitlines(keepends=True)
    short, whole = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    short.write_text("".join(line for line in lines if "msg_mock11" not in line))
    whole.write_text("".join(lines))
    run = read([short, whole])
    assert [turn.id for turn in run.turns] == ["msg_mock8", "msg_mock9", "msg_mock10", "msg_mock11"]
    assert [turn.context for turn in run.turns] == ["a", "a", "a", "b"]
    assert run.prompts()[3] == read([SESSION]).prompts()[3]
    assert run.warnings == (f"{whole}: 3 of its responses are in another file too; each is counted once.",)


def test_two_formats_in_one_file_are_an_error(tmp_path, monkeypatch):
    from tokenprof.reading import formats as module

    class Twin:
        FORMAT = "twin of it"

        def recognises(self, first_lines):
            return True

    readers = module.transcript_readers()
    monkeypatch.setattr(module, "transcript_readers", lambda: (*readers, Twin()))
    assert "this can be read as Claude Code session and as twin of it" in error_of(SESSION)


def test_our_own_recording_is_read_without_importing_an_adapter(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text(our_line())
    program = (
        "import sys; from pathlib import Path; from tokenprof.reading.files import read; "
        "run = read([Path(sys.argv[1])]); print(len(run.turns), run.sources[0].format, "
        "any(name.startswith('tokenprof.harness_adapters.') for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "tokenprof", "False"]


def test_a_damaged_recording_of_ours_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "run.jsonl"
    span = {"attributes": [{"key": "tokenprof.record", "value": {"stringValue": "turn"}}]}
    scope = {"scope": {"name": "tokenprof"}, "spans": [span]}
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [scope]}]}) + "\n")
    assert error_of(path).startswith(f"{path}:1: tokenprof did not write this line")


def test_a_recording_and_a_transcript_of_one_run_are_counted_once(tmp_path):
    """The order in which they are named makes no difference; what the recording shows is kept."""
    recording, output = tmp_path / "run.jsonl", tmp_path / "output.jsonl"
    provider = LoopbackProvider([Reply.text("first one thing"), Reply.text("then another")])
    with (
        provider,
        tokenprof.profile(recording),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        for _ in range(2):
            message = [{"role": "user", "content": "hello"}]
            client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=message)
    now = datetime.now(UTC)
    rows = []
    for call in provider.billed:
        usage = {**call.usage, "output_tokens": 1}
        message = {"id": call.response_id, "role": "assistant", "model": "claude-opus-4-8", "content": []}
        message |= {"type": "message", "usage": usage, "stop_reason": None}
        rows.append({"type": "assistant", "message": message, "timestamp": now.isoformat()})
    spent = [sum(call.usage[name] for call in provider.billed) for name in ("input_tokens", "output_tokens")]
    models = {"claude-opus-4-8": {"inputTokens": spent[0], "outputTokens": spent[1]}}
    rows.append({"type": "result", "total_cost_usd": 0, "num_turns": 2, "modelUsage": models})
    output.write_text("".join(json.dumps(row) + "\n" for row in rows))
    alone = read([recording])
    assert len(read([output]).turns) == 3
    for paths in ([recording, output], [output, recording]):
        both = read(paths)
        assert both.turns == alone.turns
        assert both.warnings == (
            f"{output}: 3 of its responses are in another file too; each is counted once.",
        )


def test_recordings_of_two_runs_with_a_test_providers_ids_are_two_runs(tmp_path):
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    with LoopbackProvider([Reply.text("one")] * 2) as provider:
        # A provider whose ids start again in every run.
        provider.bill = lambda body, reply, bill=provider.bill: ("msg_1", *bill(body, reply)[1:])
        for path in paths:
            with tokenprof.profile(path), anthropic.Anthropic(api_key="x", base_url=provider.url) as client:
                message = [{"role": "user", "content": "hello"}]
                client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=message)
    assert [turn.id for turn in read(paths).turns] == ["msg_1", "msg_1"]
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(paths[0].read_bytes())
    assert len(read([*paths, copy]).turns) == 2


def test_a_call_that_was_recorded_in_its_process_and_by_the_proxy_is_counted_once(tmp_path):
    live, proxied = tmp_path / "live.jsonl", tmp_path / "proxied.jsonl"
    recorder = Recorder(proxied)
    with LoopbackProvider([Reply.text("one"), Reply.text("two")]) as provider:
        proxy = RecordingProxy({"": upstream_at(provider.url)}, Observer(recorder))
        with proxy, tokenprof.profile(live), anthropic.Anthropic(api_key="x", base_url=proxy.url()) as client:
            for _ in range(2):
                message = [{"role": "user", "content": "hello"}]
                client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=message)
    recorder.close()
    assert [turn.id for turn in read([live]).turns] == [turn.id for turn in read([proxied]).turns]
    for paths in ([live, proxied], [proxied, live]):
        assert len(read(paths).turns) == 2


def test_one_path_is_read_whether_it_is_text_a_path_or_a_list():
    turns = read([SESSION]).turns
    assert len(turns) == 4
    assert read(str(SESSION)).turns == read(SESSION).turns == read((str(SESSION),)).turns == turns


@pytest.mark.parametrize("path", ["x", ["x"], Path("x")])
def test_a_path_that_does_not_exist_is_named_in_whichever_way_it_is_given(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == "x cannot be read: No such file or directory. Check the name."


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "There is nothing to read: the list of paths is empty. Name a file or a folder."),
        ("", "There is nothing to read: a path is the empty text. Name a file or a folder."),
        ("a\0b", r"'a\x00b' holds a zero byte, so it is not the name of a file."),
    ],
)
def test_what_names_no_file_is_an_error_in_one_sentence(paths, message):
    with pytest.raises(InputError) as caught:
        read(paths)
    assert str(caught.value) == message


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "run.jsonl"
    path.write_text("{}\n")
    opened = Path.open

    def refused(self, *args, **kwargs):
        # Permissions do not stop an administrator, as whom tests may run.
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refused)
    assert error_of(path) == (
        f"{path} cannot be read: Permission denied. Check that it is a file that you may read."
    )


def test_the_error_of_a_user_is_caught_by_one_name():
    with pytest.raises(TokenprofError):
        read("x")

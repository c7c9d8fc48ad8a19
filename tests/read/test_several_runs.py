"""Output of several runs of Claude Code, written to one file."""

import json

from tokenprof.harness_adapters.transcripts.claude_code import stream_json


def run_of(session, id_, fresh, output, second):
    """Lines of a run of one response whose stream counts 1 token of output; the result counts all."""
    usage = {"input_tokens": fresh, "output_tokens": 1}
    message = {"id": id_, "type": "message", "role": "assistant", "model": "claude-opus-4-8", "usage": usage}
    message |= {"content": [{"type": "text", "text": "ok"}], "stop_reason": None}
    models = {"claude-opus-4-8": {"inputTokens": fresh, "outputTokens": output}}
    at = f"2026-11-20T10:00:{second:02}Z"
    return [
        {"type": "system", "subtype": "init", "session_id": session, "claude_code_version": "2.1.330"},
        {"type": "user", "session_id": session, "message": {"role": "user", "content": "go"}},
        {"type": "assistant", "session_id": session, "message": message, "timestamp": at},
        {"type": "result", "session_id": session, "total_cost_usd": 0, "num_turns": 1, "modelUsage": models},
    ]


def read(tmp_path, *runs):
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for lines in runs for line in lines))
    return stream_json.read(path)


def totals(run):
    used = [turn.usage for turn in run.turns]
    return sum(usage.input_tokens for usage in used), sum(usage.all_output_tokens for usage in used)


def test_runs_in_one_file_are_kept_apart_and_each_result_counts_its_own(tmp_path):
    run = read(tmp_path, run_of("s1", "m1", 100, 300, 1), run_of("s2", "m2", 150, 500, 2))
    assert totals(run) == (250, 800)
    assert run.sources[0].runs == 2
    answers = [turn for turn in run.turns if turn.id in ("m1", "m2")]
    assert len({turn.context for turn in answers}) == 2
    assert [[block.kind for block in turn.added] for turn in answers] == [["unattributed", "user"]] * 2


def test_a_session_that_was_continued_by_another_process_has_two_results(tmp_path):
    run = read(tmp_path, run_of("s1", "m1", 100, 300, 1), run_of("s1", "m2", 150, 40, 2))
    assert totals(run) == (250, 340)


def test_results_of_one_process_count_everything_so_far(tmp_path):
    first, second = run_of("s1", "m1", 100, 300, 1), run_of("s1", "m2", 150, 40, 2)
    second[-1]["modelUsage"] = {"claude-opus-4-8": {"inputTokens": 250, "outputTokens": 340}}
    run = read(tmp_path, first, second)
    assert totals(run) == (250, 340)
    assert run.sources[0].runs == 1

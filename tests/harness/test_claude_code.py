"""Claude Code sessions: rows into responses, chains into prompts, files into one run."""

import json
from datetime import timedelta
from pathlib import Path

from claude_code_rows import START, Log, call, result, text, usage

import tokenprof
from tokenprof.facts.types import Breakpoint
from tokenprof.harness_adapters.transcripts.claude_code import session_log as claude_code
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage import Usage
from tokenprof.reading.files import read

DATA = Path(__file__).parent.parent / "data" / "logs" / "session_log"
EXCERPT = DATA / "8463c716-a2ea-4c14-9efa-87158ebd9f20.jsonl"


def names(blocks):
    return [f"{block.kind}:{block.name}" for block in blocks]


def test_rows_of_one_response_are_one_turn_with_the_fullest_usage(tmp_path):
    log = Log()
    log.user("go")
    log.answer("msg_1", text("first"), usage=usage(read=7, output=1), requestId="req_1")
    log.answer("msg_1", call("t1", command="ls"), usage=usage(read=7, output=384), requestId="req_1")
    (turn,) = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert turn.usage == Usage(uncached_input_tokens=10, cache_read_tokens=7, output_tokens=384)
    assert names(turn.output) == ["output:text", "output:Bash"]
    assert not turn.output_incomplete


def test_a_row_that_repeats_content_adds_nothing(tmp_path):
    log = Log()
    log.user("go")
    log.answer("msg_1", text("whole"), usage=usage(output=1))
    log.answer("msg_1", text("whole"), usage=usage(output=384))
    (turn,) = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert names(turn.output) == ["output:text"]


def test_rows_without_request_id_are_told_apart_by_message_id(tmp_path):
    log = Log()
    for number in range(6):
        log.user(f"step {number}")
        log.answer(
            f"msg_{number % 3}", text(f"part {number}"), usage=usage(fresh=100, output=90), stop="end_turn"
        )
    turns = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert [turn.id for turn in turns] == ["msg_0", "msg_1", "msg_2"]
    assert sum(turn.usage.input_tokens for turn in turns) == 300


def test_answers_of_a_relay_that_gives_all_one_id_are_told_apart_by_their_requests(tmp_path):
    log = Log()
    for number in range(3):
        log.user(f"step {number}")
        for part in ("first", "second"):
            log.answer(
                "msg", text(f"{part} {number}"), usage=usage(fresh=100, output=90), requestId=f"r{number}"
            )
    turns = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert [turn.usage.input_tokens for turn in turns] == [100, 100, 100]
    assert [names(turn.output) for turn in turns] == [["output:text", "output:text"]] * 3


def test_or_by_their_prompts_if_it_names_no_request(tmp_path):
    log = Log()
    for number in range(3):
        log.user(f"step {number}")
        log.answer("msg", text(f"part {number}"), usage=usage(fresh=0, output=1))
        log.answer("msg", text("and more"), usage=usage(fresh=100 + number, output=90), stop="end_turn")
    turns = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert [turn.usage.input_tokens for turn in turns if turn.usage] == [100, 101, 102]


def test_rows_without_any_time_are_priced_for_the_date_of_the_file(tmp_path):
    log = Log()
    log.user("go")
    log.answer("msg", text("first"), usage=usage(fresh=100, output=90), stop="end_turn")
    for row in log.rows:
        del row["timestamp"]
    path = log.write(tmp_path / "s1.jsonl")
    run = claude_code.read(path)
    (turn,) = run.turns
    assert abs(turn.started_at.timestamp() - path.stat().st_mtime) < 0.001
    assert "1 of its responses have no time" in run.warnings[0]


def test_without_message_id_the_request_id_names_the_response(tmp_path):
    log = Log()
    log.user("go")
    for words in ("a", "b"):
        log.answer(None, text(words), usage=usage(), requestId="req_1", stop="end_turn")
    assert [turn.id for turn in claude_code.read(log.write(tmp_path / "s1.jsonl")).turns] == ["req_1"]


def test_a_prompt_is_the_one_before_with_its_answer_and_what_followed(tmp_path):
    log = Log()
    log.user("go")
    log.answer("msg_1", call("t1", command="ls"), usage=usage(), stop="tool_use")
    log.row("progress", data={"type": "bash_progress"})
    log.user([result("t1", "a.txt")])
    log.row("system", subtype="stop_hook_summary")
    log.answer("msg_2", text("one file"), usage=usage(), stop="end_turn")
    run = claude_code.read(log.write(tmp_path / "s1.jsonl"))
    first, second = run.turns
    assert (first.base, first.kept, names(first.added)) == (None, 0, ["user:user"])
    assert (second.base, second.kept) == (0, 1)
    assert names(second.added) == ["tool_call:Bash", "tool_result:Bash"]
    assert [block.opens_message for block in second.added] == [True, True]
    assert (second.context, second.agent, second.parent) == ("s1", None, None)
    assert second.hidden_prefix


def test_times_run_from_what_was_waited_for_to_the_last_row(tmp_path):
    log = Log()
    log.user("go")
    log.answer("msg_1", text("a"), usage=usage(), stop="end_turn")
    log.answer("msg_1", text("b"), usage=usage(), stop="end_turn")
    (turn,) = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert (turn.started_at, turn.duration_s) == (START, 2.0)
    assert turn.ttft_s is None


def test_results_of_parallel_calls_are_found_off_the_chain(tmp_path):
    log = Log()
    log.user("go")
    one = log.answer("msg_1", call("t1", command="ls"), usage=usage(), stop="tool_use")
    two = log.answer("msg_1", call("t2", command="pwd"), usage=usage(), stop="tool_use")
    log.user([result("t1", "a.txt")], parent=one)
    log.user([result("t2", "/proj")], parent=two)
    log.answer("msg_2", text("ok"), usage=usage(), stop="end_turn")
    second = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns[1]
    assert names(second.added) == ["tool_call:Bash", "tool_call:Bash", "tool_result:Bash", "tool_result:Bash"]
    assert [block.link for block in second.added] == ["t1", "t2", "t1", "t2"]
    assert [block.opens_message for block in second.added] == [True, False, True, False]


def test_a_branch_leaves_the_history_where_its_parent_stands(tmp_path):
    log = Log()
    log.user("go")
    fork = log.answer("msg_1", text("hello"), usage=usage(), stop="end_turn")
    log.user("one way")
    log.answer("msg_2", text("there"), usage=usage(), stop="end_turn")
    log.user("another way", parent=fork)
    log.answer("msg_3", text("elsewhere"), usage=usage(), stop="end_turn")
    run = claude_code.read(log.write(tmp_path / "s1.jsonl"))
    assert [turn.base for turn in run.turns] == [None, 0, 0]
    prompts = run.prompts()
    assert [len(prompt) for prompt in prompts] == [1, 3, 3]
    assert prompts[1][:2] == prompts[2][:2]
    assert prompts[1][2].digest != prompts[2][2].digest


def test_errors_and_synthetic_rows_are_not_turns(tmp_path):
    log = Log()
    log.user("go")
    log.row("system", subtype="api_error", retryAttempt=1)
    log.answer("msg_1", text("hello"), usage=usage(), stop="end_turn")
    log.user("more")
    log.answer("e1", text("API Error: 529"), usage=usage(0), model="<synthetic>", isApiErrorMessage=True)
    log.user("again")
    log.answer("e2", text("No response requested."), usage=usage(0), model="<synthetic>")
    log.user("and now")
    log.answer("msg_2", text("yes"), usage=usage(), stop="end_turn")
    run = claude_code.read(log.write(tmp_path / "s1.jsonl"))
    assert [(turn.id, turn.attempts) for turn in run.turns] == [("msg_1", 2), ("msg_2", 1)]
    assert names(run.turns[1].added) == [
        "assistant:text",
        "user:user",
        "user:user",
        "assistant:text",
        "user:user",
    ]
    assert any("1 call ended in an API error" in warning for warning in run.warnings)


def test_an_output_count_that_cannot_hold_the_text_is_a_placeholder(tmp_path):
    """The rows were written while the response streamed, and the final count never came."""
    log = Log()
    log.user("go")
    log.answer("msg_1", text("word " * 400), usage=usage(output=29))
    log.user("on")
    log.answer("msg_2", call("t1", command="ls -la"), usage=usage(output=25))
    log.user([result("t1")])
    log.answer("msg_3", call("t2", command="ls -la"), usage=usage(output=70))
    log.user([result("t2")])
    log.answer("msg_4", text("word " * 400), usage=usage(output=29), stop="end_turn")
    turns = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert [turn.output_incomplete for turn in turns] == [True, True, False, False]
    assert turns[0].usage.output_tokens == 29


def test_a_response_without_usage_is_unmeasured_and_contradicting_usage_is_warned_of(tmp_path):
    log = Log()
    log.user("go")
    log.answer("msg_1", text("a"), stop="end_turn")
    log.user("on")
    log.answer("msg_2", text("b"), usage={"input_tokens": -5, "output_tokens": 1}, stop="end_turn")
    path = log.write(tmp_path / "s1.jsonl")
    run = claude_code.read(path)
    assert [turn.usage for turn in run.turns] == [None, None]
    assert len(run.warnings) == 1
    assert run.warnings[0].startswith(f"{path}:4: ")


def test_what_was_served_selects_the_price(tmp_path):
    log = Log()
    log.user("go")
    served = usage(write_5m=60, write_1h=40, service_tier="priority", speed="fast", inference_geo="us")
    log.answer("msg_1", text("a"), usage=served, stop="end_turn", requestedModel="opus")
    (turn,) = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert turn.selectors == Selectors("priority", "fast", "us")
    assert (turn.usage.cache_write_5m_tokens, turn.usage.cache_write_1h_tokens) == (60, 40)
    assert (turn.requested_model, turn.model) == ("opus", "claude-opus-4-6")


def test_subagents_and_their_replays_are_counted_once(tmp_path):
    """Two calls in the main file only, one in the subagent's only, one in both: four."""
    main = Log()
    main.user("go")
    main.answer("msg_both", text("shared"), usage=usage(), stop="end_turn")
    main.user("delegate")
    main.answer(
        "msg_main", call("t1", "Task", subagent_type="Explore", prompt="look"), usage=usage(), stop="tool_use"
    )
    sub = Log(agentId="abc", isSidechain=True)
    sub.user("go", uuid="replayed")
    sub.answer("msg_both", text("shared"), usage=usage(), stop="end_turn")
    sub.user("look")
    sub.answer("msg_sub", text("found"), usage=usage(), stop="end_turn", model="claude-haiku-4-5")
    main.user([result("t1", "found")], toolUseResult={"agentId": "abc", "usage": usage()})
    main.answer("msg_last", text("done"), usage=usage(), stop="end_turn")
    sub.write(tmp_path / "s1" / "subagents" / "agent-abc.jsonl")
    run = claude_code.read(main.write(tmp_path / "s1.jsonl"))
    assert sorted(turn.id for turn in run.turns) == ["msg_both", "msg_last", "msg_main", "msg_sub"]
    (of_agent,) = [turn for turn in run.turns if turn.agent]
    assert (of_agent.id, of_agent.agent) == ("msg_sub", "Explore")
    assert (of_agent.context, of_agent.parent) == ("s1.abc", "s1")
    assert run.warnings == ()
    assert len(run.sources) == 1


def test_older_subagent_files_lie_beside_their_session(tmp_path):
    for session in ("s1", "s2"):
        main = Log(session)
        main.user("go")
        main.answer(f"msg_{session}", text("hello"), usage=usage(), stop="end_turn")
        main.write(tmp_path / f"{session}.jsonl")
        sub = Log(session, agentId=f"of-{session}", isSidechain=True)
        sub.user("look")
        sub.answer(f"msg_sub_{session}", text("found"), usage=usage(), stop="end_turn")
        sub.write(tmp_path / f"agent-of-{session}.jsonl")
    run = claude_code.read(tmp_path / "s1.jsonl")
    assert sorted(turn.id for turn in run.turns) == ["msg_s1", "msg_sub_s1"]
    both = read([tmp_path])
    assert [Path(source.file).name for source in both.sources] == ["s1.jsonl", "s2.jsonl"]
    assert len(both.turns) == 4


def test_a_missing_subagent_file_is_warned_of(tmp_path):
    log = Log()
    log.user("go")
    log.answer("msg_1", call("t1", "Task", prompt="look"), usage=usage(), stop="tool_use")
    log.user([result("t1", "found")], toolUseResult={"agentId": "abc"})
    assert any(
        "no log of subagent abc" in w for w in claude_code.read(log.write(tmp_path / "s1.jsonl")).warnings
    )


def test_sidechain_rows_inside_the_main_file_are_a_context_of_their_own(tmp_path):
    log = Log()
    log.user("go")
    main = log.answer("msg_1", call("t1", "Task", prompt="look"), usage=usage(), stop="tool_use")
    log.user("look", parent=None, uuid="0123456789", isSidechain=True)
    log.answer("msg_2", text("found"), usage=usage(), stop="end_turn", isSidechain=True)
    log.user([result("t1", "found")], parent=main)
    log.answer("msg_3", text("done"), usage=usage(), stop="end_turn")
    turns = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert [(turn.context, turn.parent) for turn in turns] == [
        ("s1", None),
        ("s1.sidechain-01234567", "s1"),
        ("s1", None),
    ]


def test_compaction_continues_the_context_and_its_call_is_a_turn(tmp_path):
    main = Log()
    main.user("go")
    last = main.answer("msg_1", text("long work"), usage=usage(), stop="end_turn")
    fork = Log(agentId="acompact-1", isSidechain=True)
    fork.user("Your task is to create a detailed summary", parent=last)
    fork.answer("msg_2", text("the summary"), usage=usage(), stop="end_turn")
    main.row("system", parent=None, subtype="compact_boundary", logicalParentUuid=last)
    main.user("Earlier: much was done.", isCompactSummary=True, isVisibleInTranscriptOnly=True)
    main.answer("msg_3", text("on"), usage=usage(), stop="end_turn")
    main.user("next")
    main.answer("msg_4", text("ok"), usage=usage(), stop="end_turn")
    fork.write(tmp_path / "s1" / "subagents" / "agent-acompact-1.jsonl")
    run = claude_code.read(main.write(tmp_path / "s1.jsonl"))
    turns = {turn.id: turn for turn in run.turns}
    assert [turns[id_].compacted for id_ in ("msg_1", "msg_2", "msg_3", "msg_4")] == [
        False,
        False,
        True,
        False,
    ]
    assert turns["msg_2"].agent == "compaction"
    assert names(run.prompts()[run.turns.index(turns["msg_2"])]) == [
        "user:user",
        "assistant:text",
        "user:user",
    ]
    assert (turns["msg_3"].context, turns["msg_3"].base) == ("s1", None)
    assert names(turns["msg_3"].added) == [
        "summary:compaction",
        "unattributed:sent again after the compaction, not in the log",
    ]
    assert run.warnings == ()


def test_what_is_attached_again_after_a_compaction_is_not_in_the_summary(tmp_path):
    """The summary has 12 kB, which is about 3,000 tokens, and the bill grows by 17,000 with it."""
    log = Log()
    log.user("go")
    for number in range(6):
        log.answer(f"msg_{number}", text("so be it " * 40), usage=usage(fresh=9000 + 300 * number, output=90))
        log.user("and then " * 50)
    log.answer("msg_6", text("done"), usage=usage(fresh=11000, output=5), stop="end_turn")
    log.row("system", parent=None, subtype="compact_boundary")
    log.user("What was done, in some detail. " * 390, isCompactSummary=True)
    log.answer("msg_7", text("on"), usage=usage(fresh=26000, output=3), stop="end_turn")
    analysis = tokenprof.load(log.write(tmp_path / "s1.jsonl")).analyze()
    blocks = {block.name: block for block in analysis.blocks if block.kind in ("summary", "unattributed")}
    summary = blocks["compaction"]
    again = blocks["sent again after the compaction, not in the log"]
    assert 2500 < summary.tokens_low < summary.tokens < summary.tokens_high < 6000
    assert again.tokens > 10_000
    assert again.state == "estimated"
    assert again.tokens_high - again.tokens_low > 1000


def test_a_compaction_boundary_alone_costs_nothing_and_is_told(tmp_path):
    log = Log()
    log.user("go")
    log.answer("msg_1", text("work"), usage=usage(), stop="end_turn")
    before = claude_code.read(log.write(tmp_path / "s1.jsonl"))
    log.row("system", parent=None, subtype="compact_boundary", compactMetadata={"preTokens": 167000})
    log.user("Earlier: work.", isCompactSummary=True)
    after = claude_code.read(log.write(tmp_path / "s1.jsonl"))
    assert [turn.id for turn in after.turns] == [turn.id for turn in before.turns] == ["msg_1"]
    assert ["1 of 1 compactions" in warning for warning in after.warnings] == [True]


def test_the_plan_that_the_log_adds_to_a_call_is_left_out(tmp_path):
    log = Log()
    log.user("plan it")
    log.answer(
        "msg_1", call("t1", "ExitPlanMode", allowedPrompts=[], plan="step " * 500), usage=usage(output=60)
    )
    (turn,) = claude_code.read(log.write(tmp_path / "s1.jsonl")).turns
    assert turn.output[0].features.bytes == len('{"allowedPrompts":[]}')
    assert not turn.output_incomplete


def test_the_excerpt_of_a_real_session():
    run = claude_code.read(EXCERPT)
    main = [turn for turn in run.turns if turn.agent is None]
    assert [turn.id[-5:] for turn in main] == ["1Hkdb", "H8ARk", "jDkM6", "eKiNh", "iKuqW", "2nJEL"]
    assert [turn.usage.input_tokens for turn in main] == [25897, 27246, 28298, 32915, 42603, 44993]
    assert [turn.usage.all_output_tokens for turn in main] == [211, 81, 276, 109, 9, 19]
    assert [turn.output_incomplete for turn in main] == [False, False, False, False, True, True]
    assert [turn.compacted for turn in main] == [False, False, False, False, True, False]
    assert all(turn.hidden_prefix for turn in run.turns)
    assert [(turn.agent, turn.id[-5:]) for turn in run.turns if turn.agent] == [
        ("compaction", "bzmhL"),
        ("a7be2f0", "b2BR2"),
        ("a7be2f0", "uFRXf"),
        ("a7be2f0", "1z9k4"),
    ]
    assert run.turns[0].started_at == START.replace(2026, 2, 11, 21, 41, 44, 800000)
    assert run.turns[0].duration_s == 5.296
    assert main[0].usage == Usage(
        uncached_input_tokens=3, cache_read_tokens=17842, cache_write_1h_tokens=8052, output_tokens=211
    )


def test_what_hooks_injected_is_taken_from_the_compaction_file():
    """The main file has no row of the reminder; the compaction's own file names the row it followed."""
    (compaction,) = [turn for turn in claude_code.read(EXCERPT).turns if turn.agent == "compaction"]
    assert (compaction.base, compaction.kept) == (3, 17)
    assert names(compaction.added) == [
        "tool_call:Glob",
        "tool_call:Glob",
        "tool_result:Glob",
        "reminder:reminder",
        "tool_result:Glob",
        "user:user",
    ]


def test_request_records_give_the_exact_prompt():
    run = claude_code.read(DATA / "session_2.1.330.jsonl")
    assert [turn.id for turn in run.turns] == ["msg_mock8", "msg_mock9", "msg_mock10", "msg_mock11"]
    assert [(turn.base, turn.kept, len(turn.added)) for turn in run.turns] == [
        (None, 0, 18),
        (0, 18, 6),
        (1, 24, 7),
        (2, 31, 5),
    ]
    first = run.turns[0]
    assert names(first.added[:12]) == [
        f"tool:{name}"
        for name in (
            *("Agent", "Bash", "Edit", "ListAgents", "Read", "ReportFindings", "ScheduleWakeup", "Skill"),
            *("ToolSearch", "Workflow", "DeferredToolPlaceholder", "Write"),
        )
    ]
    assert names(first.added[12:]) == [
        "system:billing header, not in the log",
        "system:system[1]",
        "system:system[2]",
        "user:user",
        "user:user",
        "reminder:reminder",
    ]
    assert [block.name for block in first.added if block.deferred] == ["DeferredToolPlaceholder"]
    assert not any(turn.hidden_prefix for turn in run.turns)
    assert run.warnings == ()


def test_request_records_give_breakpoints_model_settings_and_time():
    first, second, third, _ = claude_code.read(DATA / "session_2.1.330.jsonl").turns
    assert first.breakpoints == (Breakpoint(13, "5m"), Breakpoint(14, "5m"), Breakpoint(17, "5m"))
    assert second.breakpoints == (Breakpoint(13, "5m"), Breakpoint(14, "5m"), Breakpoint(23, "5m"))
    assert third.breakpoints == (Breakpoint(13, "5m"), Breakpoint(14, "5m"), Breakpoint(30, "5m"))
    assert (first.requested_model, first.model) == ("claude-opus-5", "claude-opus-5")
    assert set(first.settings) == {"model", "thinking", "context_management", "output_config"}
    assert first.started_at == START.replace(2026, 11, 22, 3, 27, 2, 101000)
    assert timedelta(seconds=first.duration_s) == timedelta(milliseconds=15)
    assert first.usage == Usage(
        uncached_input_tokens=12,
        cache_read_tokens=2000,
        cache_write_5m_tokens=60,
        cache_write_1h_tokens=40,
        output_tokens=5,
        reasoning_tokens=2,
    )


def test_a_tool_loaded_by_search_stands_at_its_reference():
    third = claude_code.read(DATA / "session_2.1.330.jsonl").turns[2]
    assert names(third.added) == [
        "thinking:thinking",
        "assistant:text",
        "tool_call:ToolSearch",
        "tool_result:ToolSearch",
        "tool:WebFetch",
        "user:user",
        "reminder:reminder",
    ]
    assert third.added[4].section == "messages"


def test_without_request_records_the_same_log_falls_back_to_its_rows(tmp_path):
    """Attachments are in the context as they were rendered; tools and system prompt are unseen."""
    lines = (DATA / "session_2.1.330.jsonl").read_text().splitlines()
    path = tmp_path / "s1.jsonl"
    path.write_text("".join(line + "\n" for line in lines if '"type": "api-request' not in line))
    run = claude_code.read(path)
    assert [turn.id for turn in run.turns] == ["msg_mock8", "msg_mock9", "msg_mock10", "msg_mock11"]
    assert all(turn.hidden_prefix for turn in run.turns)
    assert [turn.base for turn in run.turns] == [None, 0, 1, 2]
    assert [block.role for block in run.turns[0].added] == ["user"] + ["system"] * 7 + ["user"]
    assert names(run.turns[3].added) == [
        "thinking:thinking",
        "assistant:text",
        "tool_call:Read",
        "tool_result:Read",
        "reminder:reminder",
    ]


def test_the_log_s_own_sum_of_usage_is_met():
    """`cost-state` is Claude Code's count of what it was billed."""
    path = DATA / "session_2.1.330.jsonl"
    own = json.loads(path.read_text().splitlines()[-1])["modelUsage"]["claude-opus-5"]
    turns = claude_code.read(path).turns
    total = sum((turn.usage for turn in turns), start=Usage())
    assert (own["inputTokens"], total.uncached_input_tokens) == (48, 48)
    assert (own["cacheReadInputTokens"], total.cache_read_tokens) == (8000, 8000)
    assert (own["cacheCreationEphemeral5mInputTokens"], total.cache_write_5m_tokens) == (240, 240)
    assert (own["cacheCreationEphemeral1hInputTokens"], total.cache_write_1h_tokens) == (160, 160)
    assert (own["outputTokens"], total.all_output_tokens) == (28, 28)
    assert (own["thinkingTokens"], total.reasoning_tokens) == (8, 8)

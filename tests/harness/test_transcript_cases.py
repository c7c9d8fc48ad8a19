"""Transcript cases that other tools got wrong, with their published numbers; each test names its issue."""

from claude_code_rows import Log, call, result, text, usage

from tokenprof.analysis.analysis import Analysis
from tokenprof.reading.files import read
from tokenprof.report.report_json import json_report


def totals(path):
    report = json_report(Analysis(read([path])))
    return report["totals"], report["warnings"]


def test_a_response_over_several_rows_is_one_call_with_its_last_output(tmp_path):
    """ccusage#389, #797: one response is several rows, each with a full usage; the first was kept."""
    log = Log()
    log.user("hi")
    log.answer("msg_1", text("a"), usage=usage(fresh=10, output=1))
    log.answer("msg_1", call("t1"), usage=usage(fresh=10, output=384), stop="tool_use")
    found, _ = totals(log.write(tmp_path / "s1.jsonl"))
    assert (found["turns"], found["usage"]["uncached_input"], found["usage"]["output"]) == (1, 10, 384)


def test_rows_without_a_request_id_are_told_apart_by_their_message(tmp_path):
    """ccusage#976: 368 rows of 171 messages without requestId are 465,781 input tokens, not 1,071,492."""
    log = Log()
    log.user("hi")
    each, more = divmod(465_781, 171)
    for number in range(171):
        fresh = each + (number < more)
        # 197 of the rows repeat a message: 26 messages have three rows, the others two.
        for _ in range(3 if number < 26 else 2):
            log.answer(
                f"msg_{number}", text(f"{number}"), usage=usage(fresh=fresh, output=5), stop="end_turn"
            )
        log.user("go on")
    assert sum(row["type"] == "assistant" for row in log.rows) == 368
    found, _ = totals(log.write(tmp_path / "s1.jsonl"))
    assert (found["turns"], found["usage"]["uncached_input"]) == (171, 465_781)


def test_calls_that_several_files_repeat_are_counted_once_and_none_is_dropped(tmp_path):
    """steipete/CodexBar#646, ccusage#913: 4,879 in the parent, 4,833 in the subagent, 5,127 in both."""
    parent, sub = Log(), Log(agentId="a1", isSidechain=True)
    top = parent.user("go", parent=None)
    sub_top = sub.user("you are a helper", parent=None)
    for number in range(4879 + 5127):
        owner = {} if number < 4879 else {"isSidechain": True, "agentId": "a1"}
        parent.answer(
            f"msg_{number}", text("x"), usage=usage(fresh=1, output=1), stop="end_turn", parent=top, **owner
        )
    for number in range(4879, 4879 + 5127 + 4833):
        sub.answer(
            f"msg_{number}", text("x"), usage=usage(fresh=1, output=1), stop="end_turn", parent=sub_top
        )
    path = parent.write(tmp_path / "s1.jsonl")
    sub.write(tmp_path / "s1" / "subagents" / "agent-a1.jsonl")
    run = read([path])
    assert len({turn.id for turn in run.turns}) == len(run.turns) == 14_839


def test_placeholders_of_outputs_are_said_to_be_incomplete(tmp_path):
    """anthropics/claude-code#22671: the log holds the count a stream begins with (9.6k of about 555k)."""
    log = Log()
    log.user("hi")
    for number in range(4):
        log.answer(f"msg_{number}", text("a long answer " * 100), usage=usage(output=number * 9 + 2))
        log.user("go on")
    found, warnings = totals(log.write(tmp_path / "s1.jsonl"))
    assert found["incomplete_output_turns"] == 4
    assert any("incomplete output" in warning for warning in warnings)


def busy(rows, growth):
    """A log of many short steps; `growth(step)` is what each adds beyond its tool result and output."""
    log = Log()
    log.user("go")
    context = 20_000
    for number in range(rows):
        written = 60
        log.answer(
            f"msg_{number}",
            call(f"t{number}", command="ls"),
            usage=usage(0, context, 0, 300, written),
            stop="tool_use",
        )
        log.user([result(f"t{number}", "a.txt b.txt c.txt " * 4)])
        context += written + 45 + growth(number + 1)
    return log


def reminders(path):
    run = read([path])
    return [
        index for index, turn in enumerate(run.turns) if any(block.kind == "reminder" for block in turn.added)
    ]


def test_a_reminder_that_is_sent_and_not_logged_is_placed_where_the_bills_confirm_it(tmp_path):
    log = busy(60, lambda step: 105 if step % 10 == 0 else 0)
    assert reminders(log.write(tmp_path / "s1.jsonl")) == [10, 20, 30, 40, 50]


def test_no_reminder_is_made_up_where_the_bills_do_not_show_one(tmp_path):
    assert reminders(busy(60, lambda step: 0).write(tmp_path / "s1.jsonl")) == []


def test_logs_that_show_what_they_inject_need_no_guess(tmp_path):
    log = busy(60, lambda step: 105 if step % 10 == 0 else 0)
    attachment = {"type": "attachment", "uuid": "x", "parentUuid": None, "sessionId": "s1", "attachment": {}}
    log.rows.insert(1, attachment | {"timestamp": log.rows[0]["timestamp"]})
    assert reminders(log.write(tmp_path / "s1.jsonl")) == []


def test_using_the_task_tools_puts_the_reminder_off(tmp_path):
    log = busy(25, lambda step: 105 if step == 18 else 0)
    log.rows[2 * 8 - 1]["message"]["content"][0]["name"] = "TodoWrite"
    assert reminders(log.write(tmp_path / "s1.jsonl")) == [18]

"""What Claude Code sends beside the conversation and logs as attachments (2.1.40 to 2.1.329)."""

import pytest
from claude_code_rows import Log, call, result, text, usage

from tokenprof.costing.cache_misses import explain_misses
from tokenprof.costing.ledger import build_ledger
from tokenprof.harness_adapters.transcripts.claude_code import session_log
from tokenprof.pricing.book import default_book


def attached(log, **attachment):
    log.row("attachment", attachment=attachment)


def blocks_of(tmp_path, *attachments):
    """Return (kind, name) of what these attachments add to the prompt of the second call."""
    log = Log()
    log.user("hello")
    log.answer("msg_1", call("c1"), usage=usage(), stop="tool_use")
    log.user([result("c1")])
    for attachment in attachments:
        attached(log, **attachment)
    log.answer("msg_2", text("ok"), usage=usage(), stop="end_turn")
    run = session_log.read(log.write(tmp_path / "s1.jsonl"))
    return [block for block in run.turns[-1].added if block.role != "assistant"][1:]


SKILLS = "- alpha: does the first thing\n- beta: does the second thing\n- gamma: does the third thing"


@pytest.mark.parametrize(
    ("attachment", "kind", "name"),
    [
        ({"type": "skill_listing", "content": SKILLS}, "skills_index", "skills_index"),
        ({"type": "queued_command", "prompt": "also this"}, "user", "queued message"),
        ({"type": "queued_command", "prompt": [text("also this")]}, "user", "queued message"),
        ({"type": "edited_text_file", "filename": "a.py", "snippet": "1\tx"}, "reminder", "edited text file"),
        ({"type": "deferred_tools_delta", "addedLines": ["Cron"]}, "reminder", "deferred tools delta"),
        ({"type": "mcp_instructions_delta", "addedBlocks": ["## s"]}, "reminder", "mcp instructions delta"),
        ({"type": "hook_additional_context", "hookName": "h", "content": ["more"]}, "reminder", None),
        ({"type": "hook_success", "hookEvent": "SessionStart", "content": "hi"}, "reminder", None),
        ({"type": "nested_memory", "content": {"path": "CLAUDE.md", "content": "x"}}, "memory", "memory"),
        ({"type": "todo_reminder", "content": [{"status": "open", "content": "x"}]}, "reminder", None),
        ({"type": "file", "filename": "a", "content": {"file": {"content": "x"}}}, "document", None),
        (
            {"type": "file", "content": {"type": "image", "file": {"base64": "aGk=", "type": "image/png"}}},
            "image",
            "image",
        ),
        ({"type": "a_type_of_tomorrow", "text": "words"}, "reminder", "a type of tomorrow"),
    ],
)
def test_an_attachment_is_a_block_of_its_kind(tmp_path, attachment, kind, name):
    (block,) = blocks_of(tmp_path, attachment)
    assert block.kind == kind
    assert name in (None, block.name)


@pytest.mark.parametrize(
    "attachment",
    [
        {"type": "command_permissions", "allowedTools": ["Bash"]},
        {"type": "hook_success", "hookEvent": "PostToolUse", "content": "not sent"},
        {"type": "hook_system_message", "content": "shown to the user"},
        {"type": "plan_mode", "planFilePath": "p.md"},
        {},
    ],
)
def test_an_attachment_that_was_not_sent_or_has_no_text_adds_nothing(tmp_path, attachment):
    assert blocks_of(tmp_path, attachment) == []


def test_the_size_of_a_block_is_that_of_its_text(tmp_path):
    words = "a line of the file\n" * 200
    (block,) = blocks_of(tmp_path, {"type": "edited_text_file", "filename": "a", "snippet": words})
    assert len(words) < block.features.bytes < len(words) + 600


def test_the_text_of_a_hook_that_blocks_a_tool_is_there_twice(tmp_path):
    blocked = {"blockingError": "never do that " * 30, "command": "check.sh"}
    log = Log()
    log.user("hello")
    log.answer("msg_1", call("c1"), usage=usage(), stop="tool_use")
    log.user([result("c1", blocked["blockingError"])])
    attached(log, type="hook_blocking_error", hookName="PreToolUse:Bash", blockingError=blocked)
    log.answer("msg_2", text("ok"), usage=usage(), stop="end_turn")
    added = session_log.read(log.write(tmp_path / "s1.jsonl")).turns[-1].added
    sizes = {block.kind: block.features.bytes for block in added}
    assert sizes["tool_result"] == 420
    assert 420 < sizes["reminder"] < 600


def test_a_log_that_shows_what_was_sent_is_taken_at_its_word(tmp_path):
    log = Log()
    log.user("hello")
    log.row("attachment", attachment={"type": "date"}, rendered=[{"content": "It is Monday."}])
    log.row("attachment", attachment={"type": "skill_listing", "content": SKILLS})
    log.answer("msg_1", text("ok"), usage=usage(), stop="end_turn")
    (turn,) = session_log.read(log.write(tmp_path / "s1.jsonl")).turns
    assert [block.features.bytes for block in turn.added] == [len("hello"), len("It is Monday.")]


def search(tmp_path, *rows):
    log = Log()
    log.user("find the tool")
    log.answer("msg_1", call("c1", "ToolSearch", query="web"), usage=usage(), stop="tool_use")
    found = [{"type": "tool_reference", "tool_name": name} for name in ("WebFetch", "WebSearch")]
    log.user([{**result("c1"), "content": found}])
    for row in rows:
        attached(log, **row)
    log.answer("msg_2", text("ok"), usage=usage(), stop="end_turn")
    added = session_log.read(log.write(tmp_path / "s1.jsonl")).turns[-1].added
    return {block.name: block for block in added if block.kind == "tool"}


def test_a_schema_that_a_search_loaded_is_a_block_whether_it_is_logged_or_not(tmp_path):
    schema = {"name": "WebFetch", "description": "Gets a page. " * 50, "input_schema": {"type": "object"}}
    record = {"type": "deferred_tools_record", "entries": [schema]}
    tools = search(tmp_path, record)
    assert list(tools) == ["WebFetch", "WebSearch"]
    assert tools["WebFetch"].features.tokens
    assert not tools["WebSearch"].features.tokens
    assert {block.section for block in tools.values()} == {"messages"}
    assert list(search(tmp_path)) == ["WebFetch", "WebSearch"]


@pytest.mark.parametrize("queued", [True, False])
def test_a_task_that_ended_names_the_cause_of_the_miss_that_follows(tmp_path, queued):
    log = Log()
    log.user("hello")
    log.answer("msg_1", text("started"), usage=usage(3, 0, 9000), stop="end_turn")
    said = "<task-notification>the build is done</task-notification>"
    if queued:
        attached(log, type="queued_command", prompt=said, commandMode="task-notification")
    else:
        log.user(said)
    log.answer("msg_2", text("ok"), usage=usage(3, 4000, 5100), stop="end_turn")
    run = session_log.read(log.write(tmp_path / "s1.jsonl"))
    ledger = build_ledger(run, default_book())
    miss = explain_misses(ledger)[1]
    assert (miss.cause, miss.tokens) == ("changed", 5000)
    named = ledger.attribution.blocks[miss.block].block
    assert (named.kind, named.name) == ("reminder", "task notification")


def conversation(*reads_and_writes):
    log = Log()
    for number, (read, written) in enumerate(reads_and_writes):
        log.user(f"question {number}")
        log.answer(f"m{number}", text("ok"), usage=usage(2, read, written), stop="end_turn")
    return log


def test_a_cache_that_no_logged_call_wrote_is_warned_of_with_its_size(tmp_path):
    path = conversation((30_000, 10_000), (40_000, 500), (41_700, 600), (42_300, 100)).write(
        tmp_path / "s.jsonl"
    )
    assert session_log.read(path).warnings == (
        f"{path}: 1 call read 1,200 tokens from the cache that no call in this log wrote. The calls that "
        "wrote them are not logged, so the bill is at least what is shown.",
    )


def test_a_cache_that_the_logged_calls_wrote_is_not_warned_of(tmp_path):
    path = conversation((30_000, 10_000), (40_000, 500), (0, 40_900), (40_900, 100)).write(
        tmp_path / "s.jsonl"
    )
    assert session_log.read(path).warnings == ()

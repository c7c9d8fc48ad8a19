"""Findings over the pairs of turn and block: blocks sent again and again, texts sent twice."""

from dataclasses import replace

import contracts
from contract_findings import findings_of
from contracts import block, report, turn

from tokenprof.analysis.findings.find import find
from tokenprof.report.report_reader import read_report


def found(made):
    return {finding.code: finding for finding in findings_of(made)}


def test_what_a_block_cost_as_output_is_its_first_bill():
    # 10,000 tokens written as output at $25 a million, then into the cache at $6.25, then read at $0.50.
    made = report(
        [block("c", "tool_call", "write_file", 10_000)],
        [turn(0, out=["c"]), turn(1, write=["c"]), *[turn(n, read=["c"]) for n in range(2, 62)]],
    )
    finding = found(made)["carried-block"]
    # 0.25 + 0.0625 + 60 × 0.005 = 0.6125.
    assert finding.title == "Tool call write_file cost $0.6125 over 62 turns"
    assert finding.detail == "$0.2500 the first time, $0.3625 in the 61 turns after that."


def test_the_parts_of_a_carried_block_add_up_as_they_are_printed():
    made = report(
        [block("s", "system", "rules", 4_010)],
        [turn(0, fresh=["s"]), turn(1, write=["s"]), *[turn(n, read=["s"]) for n in (2, 3)]],
    )
    # $0.02005, then 0.0250625 + 2 × 0.002005 = 0.0290725. Rounded one by one, 0.0201 + 0.0291 is not 0.0491.
    detail = found(made)["carried-block"].detail
    assert detail == "$0.0201 the first time, $0.0290 in the 3 turns after that."
    assert found(made)["carried-block"].title == "System rules cost $0.0491 over 4 turns"


def test_copies_are_counted_in_one_prompt():
    texts = [
        block(f"{where}-{copy}", "document", "policy", 500, digest="same", context=where)
        for where in ("a", "b")
        for copy in (1, 2)
    ]
    turns = [
        turn(0, fresh=["a-1", "a-2"], context="a"),
        turn(1, fresh=["b-1", "b-2"], context="b"),
    ]
    finding = found(report(texts, turns))["duplicate-text"]
    assert finding.title == "The same text is in one prompt twice: document policy"
    # 500 tokens at $5 a million, in two prompts.
    assert finding.detail == "500 tokens, repeated in 2 turns; the extra copies were billed $0.005."
    assert finding.blocks == ("a-2", "b-2")


class CountedEntries(tuple):
    """Entries that note each time they are iterated."""

    passes = 0

    def __iter__(self):
        CountedEntries.passes += 1
        return super().__iter__()


def test_all_findings_share_one_pass_over_the_entries():
    rows = read_report(contracts.email_agent()).rows
    turns = tuple(replace(turn, entries=CountedEntries(turn.entries)) for turn in rows.turns)
    CountedEntries.passes = 0
    codes = {finding.code for finding in find(replace(rows, turns=turns), None)}
    assert {"duplicate-text", "tools-never-called", "carried-block"} <= codes
    assert CountedEntries.passes == len(turns)

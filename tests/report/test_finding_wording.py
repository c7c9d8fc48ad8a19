"""The sentences of findings: every kind has some, numbers agree with their nouns and with each other."""

import re
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import get_args

import contract_findings
import contracts
import pytest

from tokenprof.analysis.findings import finding_figures
from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    MISS_CAUSES,
    BilledName,
    CachedContextDominates,
    CacheMisses,
    CacheUnlikeRules,
    CarriedBlock,
    DuplicateText,
    FindingFigures,
    IncompleteOutput,
    LoadsOnDemand,
    LowCacheHitRate,
    MarginBeyondPublished,
    NamedBlock,
    NamedMargin,
    SkillLoadedLate,
    SkillsIndexUnused,
    SkillsUntouched,
    ToolsNeverCalled,
    UnmeasuredTurns,
    UnplacedTokens,
    UnpricedModel,
    UnpricedTurns,
)
from tokenprof.hw_model.estimate import Estimate
from tokenprof.report.finding_wording import sentences, written

KINDS = get_args(FindingFigures)
CODES = {code for kind in KINDS for code in kind.CODES}
DOC = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
PUBLISHED = (NamedMargin("A lab", -0.94, 0.4), NamedMargin("B", 0.845, 0.845))


def words(figures, turns=(), state=None):
    finding = Finding(figures.CODES[0], "info", figures, turns=turns, state=state)
    return written(finding).title, written(finding).detail


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_figures_has_sentences(kind):
    assert sentences.dispatch(kind) is not sentences.dispatch(object)


def test_every_dataclass_of_figures_that_has_a_code_is_in_the_union():
    made = {each for each in vars(finding_figures).values() if is_dataclass(each) and hasattr(each, "CODES")}
    assert made == set(KINDS)


@pytest.mark.parametrize("cause", MISS_CAUSES)
def test_every_cause_of_a_miss_has_words(cause):
    title, _ = words(CacheMisses(cause, 1, 1, (), None, False), (0,))
    assert title.startswith("The cache was missed once: ")


def test_figures_without_sentences_are_refused_by_name():
    with pytest.raises(TypeError, match="NamedBlock has no sentences"):
        sentences(NamedBlock("system", "s"), None)


def test_every_code_has_a_row_in_the_documentation_and_every_row_a_code():
    table = DOC.split("| code | reported if |")[1].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([a-z-]+)`", " ".join(rows))) == CODES


@pytest.mark.parametrize("name", contracts.ALL)
def test_a_finding_is_reported_under_a_code_of_its_kind(name):
    for finding in contract_findings.findings_of(contracts.ALL[name]()):
        assert finding.code in type(finding.figures).CODES


SENTENCES = [
    (
        UnmeasuredTurns(2),
        (4, 7),
        "2 turns have no usage: the bill is larger than shown",
        "Turns 4, 7: no usage was recorded, so no total includes them.",
    ),
    (
        UnpricedTurns(
            1, (UnpricedModel("openai", "gpt-x", ("output", "reasoning")), UnpricedModel("x", None))
        ),
        (4,),
        "1 turn has no price: the bill is larger than shown",
        "Turn 4: no price is known for output and reasoning of gpt-x (openai), a model without a name (x) at "
        "the time of the call. A price can be added with --prices.",
    ),
    (
        IncompleteOutput(6),
        (0, 1, 2, 3, 4, 5),
        "6 turns have incomplete output counts: the output is at least what is shown",
        "Turns 0, 1, 2, 3 and 2 more: no final usage was recorded, so the bill is a lower bound.",
    ),
    (
        CacheUnlikeRules("read-less", 1, 40, 1_234),
        (3,),
        "1 turn read less from the cache than the published rules say",
        "Turn 3, out of 40 compared, read 1,234 fewer tokens. Perhaps a cache entry was dropped early, or "
        "the call reached a machine without it.",
    ),
    (
        CacheUnlikeRules("read-more", 2, 40, 9),
        (3, 5),
        "2 turns read more from the cache than the published rules say",
        "Turns 3, 5, out of 40 compared, read 9 more tokens. Perhaps the prefix was still cached from before "
        "this run.",
    ),
    (
        CacheUnlikeRules("written-otherwise", 2, 40, 0),
        (3, 5),
        "2 turns read what the cache rules say, but wrote something else",
        "Turns 3, 5, out of 40 compared, read as many tokens as the rules say but wrote different parts of "
        "the prompt. Perhaps the provider ended a cache entry somewhere else.",
    ),
    (
        UnplacedTokens(1, 4),
        (),
        "25% of the billed tokens belong to no known block",
        "1 token was billed for content that the recording does not show.",
    ),
    (
        CacheMisses("unknown", 3, 1, (), None, False),
        (1, 2, 3),
        "The cache was missed 3 times: the cause is not known",
        "Turns 1, 2, 3: 1 token was billed again; what that cost is not known.",
    ),
    (
        CacheMisses(
            "lookback",
            1,
            2_000,
            (
                NamedBlock("provider_overhead", "tools preamble"),
                NamedBlock("unattributed", "in the bill, on no block"),
                NamedBlock("tool_result", "Read"),
            ),
            Decimal("0.5"),
            False,
        ),
        (9,),
        "The cache was missed once: the breakpoint was too many blocks after the previous one",
        'Turn 9: 2,000 tokens, starting at tools preamble, "in the bill, on no block", tool result Read, '
        "were billed again, which cost $0.50 more than a cache read.",
    ),
    (
        LowCacheHitRate(10_000, 2_500),
        (),
        "Only 25% of the context that was sent again was read from the cache",
        "10,000 tokens came from earlier turns; 7,500 of them were billed as new.",
    ),
    (
        LowCacheHitRate(10_000, 1),
        (),
        "Less than 1% of the context that was sent again was read from the cache",
        "10,000 tokens came from earlier turns; 9,999 of them were billed as new.",
    ),
    (
        ToolsNeverCalled((BilledName("send\nmail", Decimal("0.5")), BilledName("b", None))),
        (),
        "2 tools were never called, but their schemas were billed",
        "Billed for schemas: send mail $0.50, b unpriced. Leaving them out or deferring them would save "
        "that.",
    ),
    (
        SkillsIndexUnused(1, None),
        (),
        "A skills index was in the prompt, but no skill was loaded",
        "Its 1 line was billed at an unknown price over the run.",
    ),
    (
        SkillsUntouched((BilledName("pdf", Decimal("0.5")),)),
        (),
        "1 skill was loaded, but no later call used a file or tool that it names",
        "Billed for skill bodies: pdf $0.50.",
    ),
    (
        DuplicateText(NamedBlock("document", "policy"), 5_000, 3, 1, 1, Decimal("1.5")),
        (),
        "The same text is in one prompt 3 times: document policy",
        "5,000 tokens, repeated in 1 turn; the extra copy was billed $1.50.",
    ),
    (
        CarriedBlock(
            NamedBlock("unattributed", "prompt, not in the source"),
            Decimal("2.168"),
            Decimal("0.004"),
            Decimal("2.164"),
            9,
            True,
        ),
        (),
        '"Prompt, not in the source" cost about $2.17 over 9 turns',
        "Less than $0.01 the first time, about $2.17 in the 8 turns after that.",
    ),
    (
        CachedContextDominates(Decimal("3"), None, Decimal("4")),
        (),
        "75% of the bill is context read from the cache",
        "Reading it was billed $3.00. Fewer turns or a smaller context would lower that; more cache hits "
        "would not.",
    ),
    (
        SkillLoadedLate("pdf", 6, 8),
        (),
        "Skill pdf was loaded after 6 of 8 turns",
        "Until then the prompt held no more of it than its line in the skills index.",
    ),
]


@pytest.mark.parametrize(("figures", "turns", "title", "detail"), SENTENCES)
def test_sentences(figures, turns, title, detail):
    assert words(figures, turns) == (title, detail)


def test_money_that_rests_on_an_estimated_size_says_about():
    tools = ToolsNeverCalled((BilledName("mail", Decimal("0.5")),))
    assert words(tools, state="estimated")[1].startswith("Billed for schemas: mail about $0.50.")
    index = SkillsIndexUnused(0, Decimal("0.5"))
    assert words(index, state="estimated")[1] == "It was billed about $0.50 over the run."


@pytest.mark.parametrize(
    ("margin", "title", "reason"),
    [
        (
            Estimate(0.92, 0.95, 0.99),
            "The bill implies a gross margin of 92% to 99%, outside the 40% to 85% that published margins "
            "suggest",
            "priced further above its compute than the average call (cached context is), or the compute "
            "estimate is too low.",
        ),
        (
            Estimate(-0.2, -0.2, -0.2),
            "The bill implies a gross margin of −20%, outside the 40% to 85% that published margins suggest",
            "priced closer to its compute than the average call, or the compute estimate is too high.",
        ),
    ],
)
def test_a_margin_beyond_the_published_ones_says_on_which_side_it_lies(margin, title, reason):
    found_title, detail = words(MarginBeyondPublished(margin, 0.4, 0.85, PUBLISHED))
    assert found_title == title
    assert reason in detail
    assert detail.startswith("Published: A lab (−94% to 40%); B (85%). Either ")


@pytest.mark.parametrize(
    ("break_even", "ending"),
    [
        (78.2, "would have been about $1.09; that becomes cheaper at 79 loads or more."),
        (0.4, "would have been about $1.09; that becomes cheaper at 1 load or more."),
        (None, "would have been about $1.09."),
    ],
)
def test_loading_everything_up_front_is_cheaper_only_beyond_the_break_even(break_even, ending):
    figures = LoadsOnDemand(
        1, 0, Decimal("0.0648"), 3, Decimal("0.0617"), 3, 103, Decimal("1.09"), break_even
    )
    title, detail = words(figures)
    assert title == "1 load on demand took no extra turn"
    assert detail == (
        "With the same content in every prompt, the run would have been billed $0.0617 in 3 turns instead of "
        f"$0.0648 in 3. With all 103 indexed skills in every prompt, the bill {ending}"
    )


def test_figures_are_plain_values():
    plain = (Decimal, int, float, str, bool, Estimate, type(None))

    def leaves(value):
        if isinstance(value, tuple):
            return [leaf for item in value for leaf in leaves(item)]
        if is_dataclass(value) and not isinstance(value, Estimate):
            return [leaf for field in fields(value) for leaf in leaves(getattr(value, field.name))]
        return [value]

    for figures, *_ in SENTENCES:
        assert [leaf for leaf in leaves(figures) if not isinstance(leaf, plain)] == []

"""Hostile names of tools, models, agents, tags and scenarios do nothing wherever they are shown."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hostile_run import HOSTILE, record_hostile_run, unprintable

from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.facts.inert_text import inert, inert_json, inert_line, markdown_code, markdown_text, printable
from tokenprof.gate.baseline import BaselineScenario, read_baseline, write_baseline
from tokenprof.gate.compare import Cause, Change, Verdict
from tokenprof.gate.formats import FORMATS
from tokenprof.gate.outcome import Outcome
from tokenprof.gate.sample import BlockGroup, RunSample


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_hostile_run(tmp_path_factory.mktemp("hostile") / "run.jsonl")


@pytest.fixture
def shown(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run a command and return what it printed and, with `suffix`, the file that it wrote."""

    def show(*words: str, suffix: str = "") -> str:
        output = tmp_path / f"out{suffix}"
        main([word.replace("RUN", str(run)) for word in words] + (["-o", str(output)] if suffix else []))
        out, err = capsys.readouterr()
        assert unprintable(err) == set()
        return output.read_text("utf-8") if suffix else out

    return show


@pytest.mark.parametrize(
    "words",
    [
        ["report", "RUN"],
        ["report", "RUN", "--tag", f"task={HOSTILE}"],
        ["chain", "RUN"],
        ["disclosure", "RUN"],
        ["check", "RUN", "--scenario", HOSTILE, "--budget", "usd=0"],
        ["report", f"no {HOSTILE}".replace("\0", "")],
        ["report", "RUN", "--format", HOSTILE],
        ["report", "RUN", f"--{HOSTILE}"],
        [HOSTILE],
        ["prices", "show", HOSTILE],
        ["report", "RUN", "--tag", HOSTILE],
    ],
)
def test_a_terminal_is_given_printable_characters_only(words: list[str], shown) -> None:  # type: ignore[no-untyped-def]
    assert unprintable(shown(*words)) == set()


@pytest.mark.parametrize("suffix", [".txt", ".json", ".svg"])
@pytest.mark.parametrize("command", ["report", "chain"])
def test_a_file_holds_printable_characters_only(command: str, suffix: str, shown) -> None:  # type: ignore[no-untyped-def]
    text = shown(command, "RUN", suffix=suffix)
    # rich separates the words of a picture by spaces that do not break.
    assert unprintable(text) - {"\xa0"} == set()
    if suffix == ".svg":
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
        assert not tags & {"script", "img"}
        assert "evil.example" not in "".join(re.findall(r'(?:href|src)="[^"]*"', text))


def test_json_keeps_the_names_as_they_are(shown) -> None:  # type: ignore[no-untyped-def]
    report = json.loads(shown("report", "RUN", suffix=".json"))
    names = [block["name"] for block in report["blocks"]]
    assert f"tool {HOSTILE}" in names


def outcomes() -> list[Outcome]:
    """A failed scenario in which each text is hostile."""
    group = BlockGroup("tool", HOSTILE, 1, 10)
    sample = RunSample({"usd": Decimal(1)}, {}, {}, {HOSTILE: group})
    change = Change(HOSTILE, "text", 1.0, 2.0, None)
    cause = Cause("blocks", HOSTILE, f"{HOSTILE} grew", Decimal(1))
    verdict = Verdict("regression", (change,), (cause,), (HOSTILE,), None, (1, 1))
    before = BaselineScenario((sample,), {})
    return [Outcome(HOSTILE, (sample,), verdict=verdict, before=before)]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_the_gate_is_inert(form: str) -> None:
    assert unprintable(FORMATS[form](outcomes(), "baseline.json")) == set()


def test_a_comment_on_a_pull_request_notifies_nobody_and_runs_nothing() -> None:
    lines = FORMATS["markdown"](outcomes(), "baseline.json").splitlines()
    opening, closing = [number for number, line in enumerate(lines) if line.startswith("```")]
    outside = "\n".join([*lines[:opening], *lines[closing:]])
    plain = re.sub(r"`[^`\n]*`", "", re.sub(r"\\.", "", outside))
    assert re.findall(r"<[^>]*>", plain) == [
        "<!-- tokenprof: cost gate -->",
        "<details>",
        "<summary>",
        "</summary>",
        "</details>",
    ]
    assert "@" not in "\n".join(lines)
    assert not re.search(r"#\d|\]\(|://|www\.", plain)
    assert lines[closing + 2] == "</details>"
    assert all(not line.lstrip().startswith("```") for line in lines[opening + 1 : closing])
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows)


def test_junit_is_valid_xml_with_one_case() -> None:
    suite = ElementTree.fromstring(FORMATS["junit"](outcomes(), "baseline.json"))
    assert [element.tag for element in suite.iter()] == ["testsuite", "testcase", "failure"]


def test_sarif_has_no_links() -> None:
    (result,) = json.loads(FORMATS["sarif"](outcomes(), "baseline.json"))["runs"][0]["results"]
    assert "](" not in result["message"]["text"]


def test_a_baseline_shows_no_hidden_characters_and_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    sample = outcomes()[0].samples[0]
    write_baseline(path, {HOSTILE: BaselineScenario((sample,), {})})
    assert unprintable(path.read_text("utf-8")) == set()
    assert list(read_baseline(path)) == [HOSTILE]


def test_an_error_quotes_a_name_inertly() -> None:
    assert unprintable(str(InputError(f"{HOSTILE} is wrong."))) == set()
    assert "\n" not in str(InputError(f"{HOSTILE} is wrong."))


def test_each_escape_by_hand() -> None:
    assert inert("a\x1bb\u202ec\u200bd\n") == "a·b·c·d·"
    assert printable("  a \n b\t") == "a b"
    assert inert_line("  a\n  b  c") == "  a b c"
    assert inert_json('"\u202e\u009b\U000e0041é"'.encode()) == '"\\u202e\\u009b\\udb40\\udc41é"'.encode()
    assert json.loads(inert_json(b'"\xe2\x80\xae"')) == "\u202e"
    assert markdown_text("a|b `c` <d> *e* @f #1 x#y [g](h) https://i www.j") == (
        r"a\|b \`c\` \<d\> \*e\* ＠f ＃1 x#y [g]\(h) https\://i www\.j"
    )
    assert markdown_text("system system[0] 1,201 → 1,381 tokens (+15.0%)") == (
        "system system[0] 1,201 → 1,381 tokens (+15.0%)"
    )
    assert markdown_text("# heading") == r"\# heading"
    assert markdown_code("  ```\n@a") == "  ''' ＠a"

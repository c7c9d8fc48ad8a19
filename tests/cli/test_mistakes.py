"""Mistakes that people make: each is answered in one line with the way out, and exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokenprof.commands.main import main

FILES: dict[str, bytes] = {
    "empty.jsonl": b"",
    "binary.jsonl": bytes(range(128, 256)) * 8,
    "half.json": b'{"data": [',
    "object.json": b"{}",
    "words.json": b'{"gpt-5": {"litellm_provider": "openai", "input_cost_per_token": "cheap"}}',
    "amounts.json": b'{"schema": "tokenprof.baseline/1", "scenarios": {"run": {"rates": {"m": {"x": "y"}}}}}',
    "other.counts.json": b'{"schema": "tokenprof.counts/1", "counts": {"0a": 12}}',
    "words.counts.json": b'{"schema": "tokenprof.counts/1", "counts": {"0a": "many"}}',
    "deep.json": b"[" * 100_000,
    "columns.csv": b"a,b\n1,2\n",
    "notes.txt": b"not a recording\n",
    "broken.toml": b"[[price]\n",
    "utf16.toml": "[[price]]\n".encode("utf-16"),
    "no-model.toml": b'[[price]]\nprovider = "anthropic"\n',
    "no-rows.toml": b"price = 3\n",
    "table.toml": b'[price]\nprovider = "anthropic"\n',
    "typo.toml": b'[[prices]]\nprovider = "anthropic"\n',
    "key.toml": b'[[price]]\nprovider = "anthropic"\nmodle = "x"\n',
    "rates.toml": b'[[price]]\nprovider = "a"\nmodel = "b"\nusd_per_mtok = 5\n',
    "aliases.toml": b"provider_alias = 3\n",
}
"""Files that are wrong in some way. `run.jsonl` beside them is a good recording; `folder` is empty."""

MISTAKES = {
    # Words of the command itself.
    "reprot run.jsonl": "Did you mean report?",
    "": "COMMAND is missing",
    "--verson": "Did you mean --version?",
    "report run.jsonl --frmat json": "there is no option --frmat. Did you mean --format?",
    "report --frmat json": "there is no option --frmat",
    "report run.jsonl --format jsn": "perfetto, speedscope, svg. Did you mean json?",
    "report run.jsonl --format": "--format needs a value",
    "report": "FILE|FOLDER is missing",
    "report run.jsonl --utilization 0.5": "Did you mean --utilisation?",
    "prices shwo": "Did you mean show?",
    "hw show kimi-k2.5 more": "'more' is one argument too many",
    "run --no-reprot -- ls --all": "Did you mean --no-report?",
    "check run.jsonl --update=yes": "--update takes no value",
    # What is read.
    "report missing.jsonl": "missing.jsonl cannot be read",
    "report folder": "folder holds no file that tokenprof can read",
    "report empty.jsonl": "the file is empty",
    "report binary.jsonl": "tokenprof does not know this format",
    "report notes.txt": "tokenprof does not know this format",
    "report deep.json": "tokenprof does not know this format",
    "report run.jsonl --counts missing.json": "missing.json cannot be read",
    "report run.jsonl --counts object.json": "They are written by `tokenprof count`",
    "report run.jsonl --counts half.json": "half.json is not JSON",
    "report run.jsonl --counts other.counts.json": "other.counts.json counts no prompt of this run",
    "report run.jsonl --counts words.counts.json": "counts that are not numbers of tokens",
    "report run.jsonl --tag demo=emial": "Did you mean demo=email?",
    "chain missing.jsonl": "missing.jsonl cannot be read",
    "chain": "Give a recording to follow the dollars of, or --examples",
    "disclosure empty.jsonl": "the file is empty",
    "count missing.jsonl": "missing.jsonl: no such file or directory; check the name",
    "count folder": "folder: is a directory; name a file",
    "count run.jsonl --dry-run": "Record it with `tokenprof.profile(path, content=True)`",
    "count run.jsonl --dry-run -o object.json": "They are written by `tokenprof count`",
    "reconcile run.jsonl": "--report is missing",
    "reconcile run.jsonl --report missing.json": "missing.json cannot be read",
    "reconcile run.jsonl --report half.json": "half.json is not valid JSON",
    "reconcile run.jsonl --report deep.json": "deep.json is nested too deeply",
    "reconcile run.jsonl --report object.json": "object.json is not a usage or cost export",
    # Where it is written.
    "report run.jsonl -o nowhere/report.json": "there is no folder nowhere; create it first",
    "report run.jsonl -o run.jsonl --format json": "would overwrite a file that is read",
    "report run.jsonl -o ./run.jsonl --format json": "would overwrite a file that is read",
    "report run.jsonl -o folder": "folder is a folder; name a file in it",
    "report run.jsonl -o report.docx": "the ending .docx asks for no format that is written here",
    "report run.jsonl -o x.svg --format text": "asks for svg, and --format text for text",
    "chain run.jsonl -o chain.json --format svg": "asks for json, and --format svg for svg",
    "chain run.jsonl -o nowhere/chain.svg": "there is no folder nowhere",
    "disclosure run.jsonl -o out.svg": "the ending .svg asks for no format that is written here",
    "check run.jsonl --budget usd=1 -o nowhere/out.xml": "there is no folder nowhere",
    "demo -o folder": "folder is a folder; name a file in it",
    "run --record folder -- true": "cannot be recorded to (is a directory)",
    "run --record object.json -- true": "is not a tokenprof recording",
    "proxy --record notes.txt": "is not a tokenprof recording",
    "count run.jsonl --dry-run -o run.jsonl": "would overwrite a file that is read",
    "hw calibrate columns.csv -o columns.csv": "would overwrite a file that is read",
    # Numbers.
    "report run.jsonl --blocks -1": "--blocks: '-1' is not a whole number of at least 1",
    "report run.jsonl --turns x": "--turns: 'x' is not a whole number of at least 1",
    "report run.jsonl --utilisation 2": "'2' is not a share above 0 and at most 1",
    "report run.jsonl --usd-per-gpu-hour nan": "'nan' is not a number above 0",
    "report run.jsonl --usd-per-gpu-hour 1e300": "from 0.001 to 100,000",
    "report run.jsonl --utilisation 1e-300": "from 0.001 to 1",
    "chain run.jsonl --tool-price search=1e30": "'1e30' is not an amount of dollars",
    "proxy --port 99999": "'99999' is not a whole number from 0 to 65535",
    "chain run.jsonl --sessions 0": "--sessions: '0' is not a whole number of at least 1",
    "chain run.jsonl --credits lots": "'lots' is not an amount of dollars such as 12.50",
    "chain run.jsonl --tool-price search": "'search' is not a price such as search=0.005",
    "prices show claude-opus-4-8 --prompt-tokens -1": "'-1' is not a whole number of at least 0",
    "prices show claude-opus-4-8 --at yesterday": "'yesterday' is not a day or time such as 2026-05-28",
    "prices diff --since 2026-09-01 --at 2026-08-01": "--since 2026-09-01 is not before 2026-08-01",
    "hw estimate deepseek-v3@8xh200 --context inf": "'inf' is not a number above 0",
    "hw sweep deepseek-v3@8xh200 --values 1,x": "--values: 'x' is not a number above 0",
    "hw sweep deepseek-v3@8xh200 --over utilisation --values 0.5,2": "'2' is not a share above 0",
    # Prices and hardware.
    "report run.jsonl --prices missing.toml": "prices missing.toml: the file cannot be read",
    "report run.jsonl --prices folder": "is a directory",
    "report run.jsonl --prices broken.toml": "broken.toml is not valid TOML",
    "chain run.jsonl --prices utf16.toml": "utf16.toml: the file is not UTF-8 text; save it as UTF-8",
    "disclosure run.jsonl --prices no-model.toml": "[[price]] number 1: 'model' must be given as text",
    "reconcile run.jsonl --report object.json --prices no-rows.toml": "write each row as a table of its own",
    "demo -o out.jsonl --prices table.toml": "write each row as a table of its own, [[price]]",
    "run --prices missing.toml -- true": "prices missing.toml: the file cannot be read",
    "check run.jsonl --budget usd=1 --prices typo.toml": "has a table 'prices', which is not one of",
    "prices show x --prices key.toml": "there is no key 'modle'",
    "prices check --prices rates.toml": "'usd_per_mtok' must be a table",
    "prices check --prices aliases.toml": "[provider_alias] must be a table",
    "report run.jsonl --deployment nonsense": "deployment 'nonsense'",
    "report run.jsonl --deployment deepseek-v3@zzz": "deployment 'deepseek-v3@zzz'",
    "report run.jsonl --deployment depseek-v3@8xh200": "DeepSeek-V3",
    "report run.jsonl --deployment deepseek-v3@8xh201": "H200",
    "report run.jsonl --deployment deepseek-v3@0xh200": "number of accelerators must be a whole number",
    "demo -o out.jsonl --deployment nonsense": "deployment 'nonsense'",
    "run --deployment nonsense -- true": "deployment 'nonsense'",
    "check run.jsonl --budget hardware_usd=1 --deployment nonsense": "deployment 'nonsense'",
    "hw estimate riddle@8xh200": "deployment 'riddle@8xh200'",
    "hw show h201": "H200",
    "hw show deepseek-v3@0xh200": "number of accelerators must be a whole number",
    "hw estimate deepseek-v3@8xh200 --usd-per-hour 3": "Did you mean --usd-per-gpu-hour?",
    "hw estimate deepseek-v3@8xh200 --constants object.json": "object.json holds no constants",
    "hw validate columns.csv": "columns.csv: no column model_path",
    "hw validate binary.jsonl": "binary.jsonl is not UTF-8 text",
    "hw calibrate columns.csv --deployment llama-3.1-70b@4xh100": "the metrics page has no",
    # Names.
    "chain run.jsonl --plan claude-mx": "Did you mean claude-max?",
    "chain run.jsonl --aggregator openruoter": "Did you mean openrouter?",
    "chain run.jsonl --supplier gogle": "Did you mean google?",
    "chain run.jsonl --compute corewave": "Did you mean coreweave?",
    "chain run.jsonl --contract reservd": "Did you mean reserved?",
    "chain run.jsonl --path aggregatr": "Did you mean aggregator?",
    "chain run.jsonl --chip h101": "H100",
    "chain run.jsonl --chain missing.toml": "missing.toml cannot be read",
    "chain run.jsonl --chain utf16.toml": "utf16.toml is not UTF-8 text",
    "prices show claude-opus-4-8 --provider anthropc": "Did you mean anthropic?",
    "prices diff --since 2026-08-01 --provider opnai": "Did you mean openai?",
    "prices diff --map half.json": "half.json is not valid JSON",
    "prices diff --map words.json": "input_cost_per_token of gpt-5 is a text; it must be a price in USD",
    "check run.jsonl --budget tunrs=2": "Did you mean turns?",
    "check run.jsonl --baseline object.json": "object.json is not a baseline of tokenprof",
    "check run.jsonl --baseline amounts.json": "amounts.json is not a baseline of tokenprof",
    "check run.jsonl --baseline deep.json": "deep.json is nested too deeply",
    "check run.jsonl --baseline missing.json": "There is no baseline missing.json; check the name",
    "run -- no-such-command-here": "no-such-command-here cannot be run",
    "run": "write it after two dashes",
    "proxy --upstream ftp://example": "is not an http or https address",
    # Wishes that would have no effect.
    "report run.jsonl --turns 3 --format json": "JSON always holds all",
    "report run.jsonl --blocks 3 -o out.json": "JSON always holds all",
    "run --no-report --deployment deepseek-v3@8xh200 -- true": "With --no-report nothing is costed",
    "check run.jsonl": "There is nothing to check against",
    "check run.jsonl --budget usd=1 --tolerance 5%": "--tolerance needs a baseline",
    "check run.jsonl --budget usd=1 --fail-on-price-rise": "--fail-on-price-rise needs a baseline",
    "check run.jsonl --budget usd=1 --deployment deepseek-v3@8xh200": "add --budget hardware_usd=LIMIT",
    "check run.jsonl --baseline b.json --update --budget usd=1": "--update checks nothing",
    "chain run.jsonl --chip h100 --deployment deepseek-v3@8xh200": "give one of the two",
    "chain --examples run.jsonl": "run.jsonl has no effect",
    "chain --examples --plan claude-max": "--plan has no effect",
    "chain --examples -o examples.svg": "use --format text or json",
    "disclosure run.jsonl --deployment deepseek-v3@8xh200": "there is no option --deployment",
    "prices diff --map object.json --since 2026-01-01": "give one of the two",
    "hw estimate deepseek-v3@8xh200 --batch 4 --speed 10": "give one of the two",
    "hw sweep deepseek-v3@8xh200 --over batch --batch 4": "leave --batch out",
    "hw sweep deepseek-v3@8xh200 --over tokens_per_s --batch 4": "leave --batch out",
}
"""A command line, and a part of what it is answered with."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, recording: Path) -> Path:
    folder = tmp_path_factory.mktemp("mistakes")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "run.jsonl").write_bytes(recording.read_bytes())
    (folder / "folder").mkdir()
    return folder


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_answered_in_one_line_with_the_way_out(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(path.name for path in folder.iterdir())
    assert main(command.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("tokenprof: ")
    assert err.count("\n") == 1
    assert MISTAKES[command] in err
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("words", [["report", "run.jsonl", "--tag", ""], ["report", "run.jsonl", "-o", ""],
                                   ["proxy", "--upstream", ""], ["report", ""],
                                   ["report", "run.jsonl", "--deployment", ""]])  # fmt: skip
def test_an_empty_word_as_an_unset_shell_variable_leaves_it_is_a_mistake(
    words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main(words) == 2
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "command", ["report", "disclosure", "prices check", "hw estimate deepseek-v3@8xh200"]
)
def test_a_wrong_setting_of_the_environment_is_named_by_every_command(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TOKENPROF_UTILISATION", "lots")
    words = command.split()
    assert main([*words, "run.jsonl"] if len(words) == 1 else words) == 2
    assert "utilisation lots (from TOKENPROF_UTILISATION)" in capfd.readouterr().err


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everything"
)
def test_what_may_not_be_read_or_written_says_so(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    locked = tmp_path / "locked.jsonl"
    locked.write_bytes((folder / "run.jsonl").read_bytes())
    locked.chmod(0)
    assert main(["report", str(locked)]) == 2
    assert "locked.jsonl cannot be read" in capfd.readouterr().err
    assert main(["report", str(folder / "run.jsonl"), "--format", "text", "-o", str(locked)]) == 2
    assert "permission denied" in capfd.readouterr().err


def test_ctrl_c_ends_a_command_with_130_and_no_traceback(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(paths: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tokenprof.reading.files.read", interrupted)
    assert main(["report", str(folder / "run.jsonl")]) == 130
    assert capfd.readouterr() == ("", "")


def test_a_fault_of_ours_is_not_hidden(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(paths: object, **options: object) -> None:
        raise AssertionError("the ledger does not add up")

    monkeypatch.setattr("tokenprof.reading.files.read", faulty)
    with pytest.raises(AssertionError, match="does not add up"):
        main(["report", str(folder / "run.jsonl")])

"""What is fuzzed: everything that reads bytes which somebody else may have written."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silence import require_no_silence, totals

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions, price_book, resolve_assumptions
from tokenprof.attribute.counts import read_counts
from tokenprof.commands.console.failures import naming, sentence_of
from tokenprof.commands.main import main
from tokenprof.facts.types import Run
from tokenprof.gate.baseline import read_baseline
from tokenprof.pricing.chain.chain_file import load_chain_data
from tokenprof.proxy.admission import require_admitted
from tokenprof.proxy.refusal import answer_of, provider_of
from tokenprof.proxy.request import RequestError, read_request, request_body
from tokenprof.reading.files import read
from tokenprof.reading.usage_only import read_usage
from tokenprof.report.document import report_of
from tokenprof.report.report_json import report_json
from tokenprof.report.report_reader import load_report
from tokenprof.report.terminal.text import to_text
from tokenprof.testing import Cassette

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
LOGS = DATA / "logs"

Outcome = str
"""What a case ended in: `report`, or the sentence of an error that a user can cause."""


@dataclass(frozen=True)
class Subject:
    """A kind of file, a sound one of its kind, and what is done with it.

    `run` raises what the command line would; `printed` is as `run` but goes on to the printed report, and
    `whole` costs it on sampled deployments besides, which takes a hundred times as long as reading the file.
    `packed` makes the file of the damaged content, if the damage is inside a container.
    """

    name: str
    suffix: str
    sample: bytes
    run: Callable[[Path], object]
    printed: Callable[[Path], object]
    whole: Callable[[Path], object]
    packed: Callable[[bytes], bytes] = bytes


def outcome_of(run: Callable[[Path], object], path: Path, subject: Subject | None = None) -> Outcome:
    """Return how a case ended. Raises whatever a user could not have caused."""
    try:
        result = run(path)
        if isinstance(result, Run) and subject is not None:
            require_no_silence(result, sound_run(subject.name), path)
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        assert sentence.strip()
        assert "\n" not in sentence
        assert "Traceback" not in sentence
        return sentence
    return "report"


@functools.cache
def sound_run(name: str) -> Run:
    """Return what the sound sample of a subject is read as."""
    subject = subjects()[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"case{subject.suffix}"
        path.write_bytes(subject.packed(subject.sample))
        return read([path])


def _ledger(path: Path) -> Run:
    run = read([path])
    ledger = Analysis(run, Assumptions()).ledger
    list(ledger.entries)
    in_short = read_usage([path])
    # A text that a report needs and cannot hold is a warning there, and nothing that totals look at.
    assert totals(in_short) == totals(run) or run.warnings != in_short.warnings, "totals count otherwise"
    return run


def _printed(path: Path) -> None:
    _report(path, Assumptions(deployment="deepseek-v3@8xh200"))


def _whole(path: Path) -> None:
    _report(path, Assumptions())


def _report(path: Path, assumptions: Assumptions) -> None:
    report = report_of(Analysis(read([path]), assumptions))
    json.dumps(report_json(report), default=str)
    to_text(report, 80)


def _saved_report(path: Path) -> None:
    report = load_report(path)
    report_json(report)
    to_text(report, 80)


def _settings(path: Path) -> None:
    folder = path.parent / "project"
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_bytes(path.read_bytes())
    resolve_assumptions(environ={}, folder=folder)


def _chain(path: Path) -> None:
    with naming(path, "a chain file"):
        load_chain_data(path)


def _command(*words: str) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        said = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            code = main([word.replace("FILE", str(path)) for word in words])
        assert code in (0, 1, 2), code
        assert code != 2 or said.getvalue().startswith("tokenprof: "), said.getvalue()

    return run


def _proxy_request(path: Path) -> None:
    stream = io.BufferedReader(io.BytesIO(path.read_bytes()))  # type: ignore[arg-type]
    with contextlib.suppress(ConnectionError):
        while (answer := _refusal_of_next(stream)) == b"":
            pass
        assert answer is None or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))


def _refusal_of_next(stream: io.BufferedReader) -> bytes | None:
    """Return the answer that refuses the next request, empty if it is passed on; None at the end."""
    request = None
    try:
        request = read_request(stream)
        if request is None:
            return None
        require_admitted(request)
        request_body(stream, request)
    except RequestError as error:
        return answer_of(error, provider_of(request, "") if request else "")
    return b""


def _cassette(path: Path) -> None:
    tape = Cassette(path, record=False)
    tape.reply_to("POST", "/v1/messages", {"a": 1})


def _eval_archive(sample: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", "{}")
        archive.writestr("samples/1_epoch_1.json", sample)
    return held.getvalue()


_OVERLAY = (ROOT / "tests" / "cli" / "own_price_file.py").read_text("utf-8").split('"""')[3].encode()
_PYPROJECT = b"""
[project]
name = "x"

[tool.tokenprof]
utilisation = 0.4
"""
_COUNTS = b'{"schema": "tokenprof.counts/1", "counts": {"00ff": 12, "11ee": 40}}'
_MAP = json.dumps(
    {
        "claude-opus-4-8": {
            "litellm_provider": "anthropic",
            "mode": "chat",
            "input_cost_per_token": 5e-06,
            "output_cost_per_token": 2.5e-05,
            "cache_read_input_token_cost": 5e-07,
        }
    }
).encode()
_TAPE = (
    json.dumps(
        {
            "method": "POST",
            "path": "/v1/messages",
            "request": {"a": 1},
            "status": 200,
            "headers": {"content-type": "application/json"},
            "body": "{}",
            "is_base64": False,
        }
    ).encode()
    + b"\n"
)
_EXPORT = json.dumps(
    {
        "data": [
            {
                "starting_at": "2026-11-01T00:00:00Z",
                "results": [
                    {
                        "uncached_input_tokens": 10,
                        "cache_read_input_tokens": 5,
                        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 0},
                        "output_tokens": 3,
                        "server_tool_use": {"web_search_requests": 0},
                        "model": "claude-opus-4-8",
                    }
                ],
            }
        ],
        "has_more": False,
        "next_page": None,
    }
).encode()
_REQUESTS = (
    b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: 127.0.0.1:8100\r\nContent-Type: application/json\r\n"
    b"x-api-key: k\r\nContent-Length: 14\r\n\r\n" + b'{"model": "m"}'
    b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: [::1]:1\r\n\r\n'
)


@functools.cache
def subjects() -> dict[str, Subject]:
    """Return what is fuzzed, by name."""
    found = [
        Subject(f"{path.parent.name}/{path.name}", path.suffix, path.read_bytes(), _ledger, _printed, _whole)
        for path in sorted(LOGS.glob("*/*"))
        if path.is_file() and not path.name.endswith((".bill.json", ".md"))
    ]
    inside = json.dumps(json.loads((LOGS / "inspect_log" / "own_form.json").read_bytes())["samples"][0])
    found.append(
        Subject("inspect_log/inside.eval", ".eval", inside.encode(), _ledger, _printed, _whole, _eval_archive)
    )
    recording = (DATA / "release_0_1" / "run.jsonl").read_bytes()
    found.append(Subject("recording", ".jsonl", recording, _ledger, _printed, _whole))
    others: Mapping[str, tuple[str, bytes, Callable[[Path], Any]]] = {
        "report": (".json", (DATA / "release_0_1" / "report.json").read_bytes(), _saved_report),
        "price overlay": (".toml", _OVERLAY, lambda path: price_book(Assumptions(prices=(path,)))),
        "chain file": (".toml", (ROOT / "pricing" / "data" / "chain.toml").read_bytes(), _chain),
        "settings": (".toml", _PYPROJECT, _settings),
        "baseline": (".json", (ROOT / "tests" / "gate" / "baseline.json").read_bytes(), read_baseline),
        "counts": (".json", _COUNTS, read_counts),
        "price map": (".json", _MAP, _command("prices", "diff", "--map", "FILE")),
        "cassette": (".jsonl", _TAPE, _cassette),
        "cost export": (
            ".json",
            _EXPORT,
            _command("reconcile", str(LOGS / "stream_json" / "stream.jsonl"), "--report", "FILE"),
        ),
        "proxy request": (".http", _REQUESTS, _proxy_request),
    }
    found += [Subject(name, *rest, rest[2], rest[2]) for name, rest in others.items()]
    return {subject.name: subject for subject in found}

"""What the plugin does for one test: record its calls, judge them, and pass the result to the summary."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tokenprof.facts.errors import InputError
from tokenprof.gate import DEFAULT_BASELINE
from tokenprof.gate.baseline import (
    BaselineScenario,
    read_baseline,
    scenario_of,
    write_baseline,
)
from tokenprof.gate.budget import number, parse_budget
from tokenprof.gate.outcome import Outcome, explain, judge
from tokenprof.gate.runs import samples_of_file
from tokenprof.gate.sample import RunSample
from tokenprof.gate.settings import is_strict, settings_from
from tokenprof.record.background.end_waits import whole_within
from tokenprof.record.background.ended_blocks import wait_for_recordings

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.analysis.assumptions import Assumptions

RECORDING_WAIT_S: Final = 60.0
"""How long the end of a test waits for its recording: what is missing from one would look like a saving."""

BASELINE_ARGUMENTS = frozenset({"tolerance", "measures", "repeat", "fail_on_price_rise"})


class TokenCosts:
    """The `token_costs` fixture: what the model calls of a test cost."""

    def __init__(
        self,
        node: pytest.Item,
        folder: Path,
        marks: Mapping[str, Mapping[str, Any]],
        options: Mapping[str, Any],
    ):
        self.node = node
        self._marks = marks
        self._options = options
        self._folder = folder
        self._runs: list[Path] = []
        self._added: list[Path] = []
        self._open = contextlib.ExitStack()
        self._check_marks()

    def open(self) -> None:
        """Begin the recording of the test's calls."""
        self._open.enter_context(self.recording())

    def close(self) -> None:
        """End the recording. A second call does nothing."""
        self._open.close()

    @property
    def path(self) -> Path:
        """The recording of the test's calls."""
        return self._runs[-1] if self._runs else self._new_path()

    def _new_path(self) -> Path:
        kept = self._options["tokenprof_runs"]
        folder = Path(kept) if kept else self._folder
        name = re.sub(r"[^\w.-]+", "_", self.node.nodeid).strip("_")
        return folder / f"{name}-{len(self._runs)}.jsonl"

    @contextlib.contextmanager
    def recording(self) -> Iterator[Path]:
        """Record the calls made inside as one run."""
        from tokenprof.live.profile import profile

        path = self._new_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._runs.append(path)
        try:
            with contextlib.ExitStack() as stack:
                with whole_within(RECORDING_WAIT_S):
                    stack.enter_context(profile(path, tags={"test": self.node.nodeid}))
                yield path
        finally:
            wait_for_recordings([path])
            # `tokenprof check FOLDER/*.jsonl` should find nothing but recordings.
            if path.exists() and not path.stat().st_size:
                path.unlink()
                self._runs.remove(path)

    def add(self, path: str | Path) -> None:
        """Add a recording or transcript made elsewhere, to be judged as a run of this test."""
        self._added.append(Path(path))

    def repeat(self, agent: Callable[[], Any], times: int | None = None) -> list[Any]:
        """Call an agent as often as the mark's `repeat` says, and record each call as a run of its own."""
        count = times or int(self._marks.get("token_baseline", {}).get("repeat", 1))
        results = []
        for _ in range(count):
            with self.recording():
                results.append(agent())
        return results

    def sample(self) -> RunSample:
        """Return the measures and blocks of the newest run. Raises InputError if no call was recorded."""
        return self.samples()[-1]

    def samples(self) -> list[RunSample]:
        """Return the samples of every run that made a call."""
        measures = (
            self._marks.get("token_baseline", {}).get("measures") or self._options["tokenprof_measures"]
        )
        asked = (self._marks.get("token_budget", {}), measures or "")
        with_hardware = any("hardware_usd" in each for each in asked)
        found: list[RunSample] = []
        for path in [*self._runs, *self._added]:
            try:
                found += samples_of_file(path, self._assumptions, hardware=with_hardware)
            except InputError:
                if path in self._added:
                    raise
        if not found:
            raise InputError(
                f"{self.node.nodeid} made no model call that was seen. Make the client inside the test, or "
                "wrap it: tokenprof.wrap(client)."
            )
        return found

    def analysis(self) -> Analysis:
        """Return the analysis of the newest run: its turns, blocks, totals and findings (docs/api.md)."""
        from tokenprof.analysis.analysis import Analysis
        from tokenprof.reading.files import read

        return Analysis(read([self.path]), self._assumptions)

    def report(self) -> dict[str, Any]:
        """Return the JSON report of the newest run (docs/report.md)."""
        from tokenprof.report.report_json import json_report

        return json_report(self.analysis())

    @functools.cached_property
    def _assumptions(self) -> Assumptions:
        """Prices and hardware as the environment and the project's pyproject.toml set them."""
        from tokenprof.analysis.assumptions import resolve_assumptions

        return resolve_assumptions(folder=Path(self._options["root"]))

    def judge(self) -> str | None:
        """Return why the test costs too much, or None. Reports the cost to the summary."""
        if not self._marks and not (self._options["tokenprof_table"] or self._options["tokenprof_update"]):
            return None
        try:
            samples = self.samples()
        except InputError as error:
            return str(error) if self._marks else None
        outcome = self._outcome(samples)
        self._tell(outcome)
        if not outcome.failed:
            return None
        # pytest names the test before the message, and cuts its one-line summary at the terminal's width.
        return "\n".join(explain(outcome)).removeprefix(f"{outcome.name}: ")

    def _outcome(self, samples: Sequence[RunSample]) -> Outcome:
        strict = is_strict(self._options["tokenprof_strict"] or None)
        budget = parse_budget(self._marks.get("token_budget", {}))
        rules = self._marks.get("token_baseline")
        known: BaselineScenario | None = None
        settings = None
        if rules is not None:
            settings = settings_from(
                rules.get("tolerance", self._options["tokenprof_tolerance"] or None),
                rules.get("measures", self._options["tokenprof_measures"] or None),
                fail_on_price_rise=bool(
                    rules.get("fail_on_price_rise", self._options["tokenprof_fail_on_price_rise"])
                ),
            )
            if not self._options["tokenprof_update"]:
                known = read_baseline(baseline_path(self._options)).get(self.node.nodeid)
        return judge(
            self.node.nodeid,
            samples,
            budget=budget,
            baseline=known,
            settings=settings,
            wants_baseline=rules is not None,
            is_strict=strict,
            may_be_missing=bool(
                not strict or self._options["tokenprof_update"] or self._options["tokenprof_allow_missing"]
            ),
        )

    def _tell(self, outcome: Outcome) -> None:
        """Store the outcome where an xdist worker passes it on to the process that prints and writes.

        Files of JUnit show it, too, so it is JSON.
        """
        marked = "token_baseline" in self._marks
        wanted = marked and self._options["tokenprof_update"] and not outcome.failed
        row: dict[str, str | None] = {
            "name": outcome.name,
            "status": outcome.status,
            "samples": encode(outcome.samples) if wanted else "",
        }
        measures = outcome.samples[-1].measures
        row |= {key: None if value is None else str(value) for key, value in measures.items()}
        self.node.user_properties.append(("tokenprof", json.dumps(row)))

    def _check_marks(self) -> None:
        unknown = self._marks.get("token_baseline", {}).keys() - BASELINE_ARGUMENTS
        if unknown:
            raise pytest.UsageError(
                f"{self.node.nodeid}: token_baseline has no {', '.join(sorted(unknown))}; it takes "
                f"{', '.join(sorted(BASELINE_ARGUMENTS))}."
            )
        try:
            parse_budget(self._marks.get("token_budget", {}))
        except InputError as error:
            raise pytest.UsageError(f"{self.node.nodeid}: {error}") from None


def baseline_path(options: Mapping[str, Any]) -> Path:
    """Return the path of the baseline; a relative one starts at the project's root."""
    return Path(options["root"]) / (options["tokenprof_baseline"] or DEFAULT_BASELINE)


def encode(samples: Sequence[RunSample]) -> str:
    """Return samples as text that an xdist worker can send: a baseline of one scenario."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.json"
        write_baseline(path, {"": scenario_of(samples)})
        return base64.b64encode(path.read_bytes()).decode()


def decode(text: str) -> BaselineScenario:
    """Return the samples that `encode` was given, as a scenario."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.json"
        path.write_bytes(base64.b64decode(text))
        return read_baseline(path)[""]


def summarise(reporter: Any, rows: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> None:
    """Print the table and write the baseline, if asked to, and name the tests without a baseline."""
    reporter.section("cost of model calls")
    if options["tokenprof_table"] or options["tokenprof_update"]:
        _table(reporter, rows)
    if options["tokenprof_update"]:
        path = baseline_path(options)
        written = {row["name"]: decode(row["samples"]) for row in rows if row["samples"]}
        write_baseline(path, {**read_baseline(path), **written})
        reporter.write_line(f"{len(written)} written to {path}. Review it and commit it.")
        return
    unknown = sorted(row["name"] for row in rows if row["status"] == "no baseline")
    if unknown:
        reporter.write_line(f"No baseline yet (--tokenprof-update writes one): {', '.join(unknown)}")


def _table(reporter: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    reporter.write_line(f"{'turns':>6} {'in':>10} {'out':>8} {'billed':>10}  test")
    for row in sorted(rows, key=lambda row: row["name"]):
        cells = [_cell(row, name) for name in ("turns", "input_tokens", "output_tokens", "usd")]
        widths = (6, 10, 8, 10)
        line = " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        reporter.write_line(f"{line}  {row['name']} ({row['status']})")


def _cell(row: Mapping[str, Any], name: str) -> str:
    return "?" if row[name] is None else number(name, float(row[name]))

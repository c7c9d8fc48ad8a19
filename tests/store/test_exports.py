"""What other tools read: each export is read back by their own parser, or held to published rules."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families
from receiver import Received, Receiver
from stores import LOGS, billed, exported, opened, reported, totals

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.commands.main import main
from tokenprof.facts.types import Run, Turn
from tokenprof.store.exports.otlp_spans import spans_of_run
from tokenprof.store.ingest.ingest import ingest

ROOT = Path(__file__).parents[2]


def test_prometheus_metrics_are_read_by_its_parser(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = exported(capsys, store, "--to", "prometheus", "--by", "model,project,tag:te am")
    found = {family.name: family for family in text_string_to_metric_families(text)}
    rows = totals(store, "model,project").rows
    samples = found["tokenprof_billed_usd"].samples
    assert {(each.labels["model"], each.labels["project"]): each.value for each in samples} == {
        row.key: float(row.billed_usd) for row in rows
    }
    assert found["tokenprof_turns"].type == "gauge"
    assert sum(each.value for each in found["tokenprof_turns"].samples) == sum(row.turns or 0 for row in rows)


def test_labels_are_escaped(sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tokenprof.store.ingest.ingest import IngestOptions

    project = 'a "b" \\ c'
    ingest([sessions], tmp_path / "store", IngestOptions(project=project))
    text = exported(capsys, tmp_path / "store", "--to", "prometheus", "--by", "project")
    (family,) = [each for each in text_string_to_metric_families(text) if each.name == "tokenprof_turns"]
    assert [(each.labels, each.value) for each in family.samples] == [({"project": project}, 20)]


def test_tables_as_csv_and_parquet(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(capsys, store, "--to", "csv", "--table", "turns"))))
    assert sum(Decimal(row["billed_usd"]) for row in rows if row["billed_usd"]) == billed(store)
    file = tmp_path / "blocks.parquet"
    exported(capsys, store, "--to", "parquet", "--table", "blocks", "-o", str(file))
    table = pq.read_table(file)
    assert sum(usd for usd in table["billed_usd"].to_pylist() if usd is not None) == billed(store)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_from_the_store(store: Path, library: str) -> None:
    frame = opened(store).to_frame("SELECT sum(billed_usd) AS usd FROM turns", library)  # type: ignore[arg-type]
    value = frame["usd"][0]
    assert Decimal(str(value)) == billed(store)
    assert len(opened(store).to_frame("sessions", library)) > 5  # type: ignore[arg-type]


def test_spans_arrive_at_an_otlp_receiver_with_cost_and_tags(capsys: pytest.CaptureFixture[str]) -> None:
    recording = ROOT / "tests" / "data" / "release_0_1" / "run.jsonl"
    with Receiver() as receiver:
        assert main(["export", str(recording), "--otlp", receiver.url]) == 0
        assert main(["export", str(LOGS / "session_log"), "--otlp", receiver.url]) == 0
    assert "of them with a cost" in capsys.readouterr().out
    calls = [span for span in receiver.spans if span.attributes["gen_ai.operation.name"] == "chat"]
    agents = [span for span in receiver.spans if span.attributes["gen_ai.operation.name"] == "invoke_agent"]
    assert len(calls) + len(agents) == len(receiver.spans)
    assert {call.parent for call in calls} == {agent.id for agent in agents}
    assert all(call.trace in {agent.trace for agent in agents} for call in calls)
    assert not any(_cost(agent) for agent in agents), "a backend that sums spans counts each call once"
    for agent in agents:
        below = [_cost(call) for call in calls if agent.id in ways_up(call, agents)]
        assert agent.attributes["tokenprof.aggregated.cost.amount"] == pytest.approx(sum(below))
        assert agent.attributes["tokenprof.aggregated.cost.currency"] == "USD"
        assert agent.attributes["tokenprof.aggregated.cost.is_complete"] is True
    for call in calls:
        assert call.kind == 3
        assert call.attributes["gen_ai.usage.cost.currency"] == "USD"
        assert call.attributes["gen_ai.usage.cost.source"] == "local"
    known = reported(recording, LOGS / "session_log").totals.billed_usd
    assert sum(map(_cost, calls)) == pytest.approx(float(known or 0))
    tags = {name: value for call in calls for name, value in call.attributes.items() if ".tag." in name}
    run = reported(recording).run
    assert tags == {f"tokenprof.tag.{key}": value for turn in run.turns for key, value in turn.tags.items()}


def ways_up(span: Received, agents: list[Received]) -> list[str]:
    """The ids of the spans that a span is below, from the nearest on."""
    parents = {agent.id: agent.parent for agent in agents}
    found = [span.parent]
    while parents.get(found[-1]):
        found.append(parents[found[-1]])
    return found


def test_the_cost_of_an_agent_has_that_of_the_agents_that_it_called() -> None:
    # Two calls of $1 and $2, a subagent with $4, below it one whose only call has no price.
    def turn(context: str, parent: str | None, usd: str | None) -> Turn:
        return Turn(
            id=f"{context}{usd}",
            context=context,
            parent=parent,
            added=(),
            provider="nobody",
            requested_model="unknown-model",
            model="unknown-model",
            started_at=datetime(2026, 6, 1, tzinfo=UTC),
            status="ok",
            usage=None,
            stated_usd=None if usd is None else Decimal(usd),
        )

    run = Run((turn("a", None, "1"), turn("a", None, "2"), turn("b", "a", "4"), turn("c", "b", None)))
    spans = list(spans_of_run(run, price_book(Assumptions())))
    found = {}
    for span in spans:
        values = {pair["key"]: next(iter(pair["value"].values())) for pair in span["attributes"]}
        if span["name"] == "invoke_agent":
            found[values["gen_ai.conversation.id"]] = (
                values.get("tokenprof.aggregated.cost.amount"),
                values.get("tokenprof.aggregated.cost.is_complete"),
            )
    assert found == {"a": (7.0, False), "b": (4.0, False), "c": (None, None)}


def _cost(span: Received) -> float:
    return float(span.attributes.get("gen_ai.usage.cost.amount", 0.0))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Name what to do"),
        (["--to", "focus"], "give --billing-account"),
        (["--to", "parquet"], "name a file with -o"),
        (["--otlp", "http://127.0.0.1:1/v1/traces"], "name files or folders"),
        (["--otlp", "http://127.0.0.1:1/v1/traces", str(LOGS / "codex")], "cannot be reached"),
        (["--to", "csv", "--by", "model"], "--by has no effect here"),
        (["--to", "csv", "--where", "nothing = 1"], "--where 'nothing = 1'"),
    ],
)
def test_mistakes_of_exports(
    store: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["export", "--store", str(store), *words]) == 2
    assert sentence in capsys.readouterr().err


ARRAYS_AND_FRAMES = """
import sys
from tokenprof.store.schema.without_pandas import keep_pandas_out
keep_pandas_out()
import pyarrow as pa
table = pa.table({"turns": [1, 2]})
print("pandas" in sys.modules)
print(int(table.to_pandas()["turns"].sum()))
"""


def test_arrays_do_not_load_pandas_and_data_frames_still_do() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ARRAYS_AND_FRAMES], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "3"]


def test_other_threads_may_import_pandas_meanwhile() -> None:
    script = """
import sys, threading
from tokenprof.store.schema.without_pandas import _FINDER
sys.meta_path.insert(0, _FINDER)
_FINDER.threads.add(threading.get_ident())
found = []
thread = threading.Thread(target=lambda: found.append(__import__("pandas").__name__))
thread.start()
thread.join()
print(found)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['pandas']"

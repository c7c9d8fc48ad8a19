"""The dashboard and the alerts ask for metrics and labels that there are, and alerts fire when they should.

Prometheus's own promtool parses every query, runs it on exported metrics, and runs
`examples/grafana/alerts_test.yml`. Grafana's own types read the dashboard.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families
from stores import exported

EXAMPLES = Path(__file__).parents[2] / "examples" / "grafana"


def dashboard_queries() -> Iterator[str]:
    """Every query of the dashboard."""
    board = json.loads((EXAMPLES / "dashboard.json").read_text("utf-8"))
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def queries() -> Iterator[str]:
    """Every query of the dashboard and of the alerts."""
    yield from dashboard_queries()
    for group in yaml.safe_load((EXAMPLES / "alerts.yml").read_text("utf-8"))["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def labels_asked() -> set[str]:
    """Every label that queries group by or select, and that texts show."""
    found: set[str] = set()
    for query in queries():
        found.update(
            name.strip() for part in re.findall(r"by \(([^)]*)\)", query) for name in part.split(",")
        )
        found.update(re.findall(r"[{,]\s*(\w+)\s*=~?", query))
    board = (EXAMPLES / "dashboard.json").read_text("utf-8")
    found.update(re.findall(r"\{\{(\w+)\}\}", board))
    found.update(re.findall(r"label_values\(\w+, (\w+)\)", board))
    found.update(re.findall(r"\$labels\.(\w+)", (EXAMPLES / "alerts.yml").read_text("utf-8")))
    return found


def labels_of_the_readme() -> str:
    """The labels that the readme's line for cron gives the metrics."""
    (by,) = re.findall(r"--to prometheus --by (\S+)", (EXAMPLES / "README.md").read_text("utf-8"))
    return str(by)


@pytest.fixture
def metrics(store: Path, capsys: pytest.CaptureFixture[str]) -> str:
    return exported(capsys, store, "--to", "prometheus", "--by", labels_of_the_readme())


def test_every_metric_and_label_that_is_asked_for_is_exported(metrics: str) -> None:
    families = {family.name for family in text_string_to_metric_families(metrics)}
    asked = {name for query in queries() for name in re.findall(r"tokenprof_\w+", query)}
    assert asked
    assert asked <= families
    labels = {"tag_team" if name == "tag:team" else name for name in labels_of_the_readme().split(",")}
    assert labels_asked() <= labels


@pytest.fixture
def promtool() -> str:
    """Prometheus's tool for rules; a machine without it skips, unless CI says that it must be there."""
    found = shutil.which("promtool")
    if found is None:
        if "promtool" in os.environ.get("TOKENPROF_TESTS_NEED", "").split():
            pytest.fail("This machine must have promtool: .ci/run installs it.")
        pytest.skip("promtool, which is part of Prometheus, is not installed.")
    return found


def checked(promtool: str, *words: str, text: str = "") -> str:
    done = subprocess.run(
        [promtool, *words], cwd=EXAMPLES, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_alerts_and_they_fire_when_they_should(promtool: str) -> None:
    checked(promtool, "check", "rules", "alerts.yml")
    checked(promtool, "test", "rules", "alerts_test.yml")


def test_prometheus_parses_every_query(promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$project", ".*")}
        for number, query in enumerate(queries())
    ]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), "utf-8")
    assert f"{len(rules)} rules found" in checked(promtool, "check", "rules", str(path))


def test_prometheus_takes_the_metrics(promtool: str, metrics: str) -> None:
    checked(promtool, "check", "metrics", text=metrics)


def test_every_query_finds_something_in_real_metrics(promtool: str, metrics: str, tmp_path: Path) -> None:
    """The exported values appear after an hour and stay for a day, in which they are a day's growth."""
    found = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
    ]
    series = []
    for name, labels, value in found:
        quoted = ", ".join(f"{key}={json.dumps(each)}" for key, each in labels.items())
        series.append({"series": f"{name}{{{quoted}}}", "values": f"0 {value!r}x30"})
    expressions = [query.replace("$project", ".*") for query in dashboard_queries()]
    some = [
        f"count(({expression}) > 0) > bool 0" for expression in expressions if "without" not in expression
    ]
    billed = sum(value for name, _, value in found if name == "tokenprof_billed_usd")
    exact = f"abs(({expressions[0]}) - {billed!r}) < bool 1e-9"
    checks = [
        {"expr": each, "eval_time": "20h", "exp_samples": [{"labels": "{}", "value": 1}]}
        for each in (*some, exact)
    ]
    test = {"interval": "1h", "input_series": series, "promql_expr_test": checks}
    path = tmp_path / "queries_test.yml"
    path.write_text(yaml.safe_dump({"evaluation_interval": "1h", "tests": [test]}), "utf-8")
    assert len(some) >= 7
    checked(promtool, "test", "rules", str(path))


def as_grafana_has_it(board: Any) -> Any:
    """A dashboard read and written by Grafana's own types, which keep the fields that Grafana has."""
    return json.loads(JSONEncoder(sort_keys=True, indent=0).encode(Dashboard.from_json(board)))


def not_kept(own: Any, kept: Any, where: str = "") -> Iterator[str]:
    """Where a dashboard holds something that another lacks or has otherwise."""
    if isinstance(own, dict) and isinstance(kept, dict):
        for key, value in own.items():
            yield from not_kept(value, kept.get(key), f"{where}/{key}")
    elif isinstance(own, list) and isinstance(kept, list) and len(own) == len(kept):
        for number, (one, other) in enumerate(zip(own, kept, strict=True)):
            yield from not_kept(one, other, f"{where}/{number}")
    elif own != kept:
        yield where


def test_the_dashboard_has_only_fields_that_grafana_has() -> None:
    register_default_plugins()
    board = json.loads((EXAMPLES / "dashboard.json").read_text("utf-8"))
    assert list(not_kept(board, as_grafana_has_it(board))) == []
    misspelt = json.loads(json.dumps(board).replace('"gridPos"', '"gridpos"').replace('"expr"', '"query"'))
    lost = set(not_kept(misspelt, as_grafana_has_it(misspelt)))
    assert {"/panels/0/gridpos", "/panels/0/targets/0/query"} <= lost

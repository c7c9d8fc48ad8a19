"""What each instrumentation of a model SDK costs its host, side by side: the whole process's CPU and memory.

    python benchmarks/recorder/hot_path.py [--rounds 3] [--sizes 31 794] [--sdk anthropic]

The rivals are installed into an environment of its own (a folder, kept for the next time), never into ours.
Every round starts one process per instrumentation, one after the other; each sends a conversation that grows
by one tool call and its result a call, to a provider in another process that answers at once. Figures are per
call, after five calls to warm up, and medians over the rounds: CPU of the whole process, with everything
flushed; CPU of the calling thread; wall time of a call. Rivals hand their spans to an exporter that drops
them, so sending is not in their figures. The process in which tokenprof counts tokens is shown apart.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "hot_path.json"
PACKAGES = (
    "anthropic",
    "openai",
    "orjson",
    "toktok-rs",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-anthropic",
    "opentelemetry-instrumentation-openai",
    "opentelemetry-instrumentation-openai-v2",
    "openinference-instrumentation-anthropic",
    "openinference-instrumentation-openai",
    "logfire",
)
VARIANTS = {
    "anthropic": ("bare", "sdk spans", "traceloop", "openinference", "logfire", "tokenprof"),
    "openai": ("bare", "otel openai-v2", "traceloop", "openinference", "logfire", "tokenprof"),
}
CALLS = 25
WARM_UP = 5
TEXT = "def f(value):\n    return [item for item in value if item.is_ready and item.size > 10]\n"


def serve() -> None:
    """Answer until killed, with an id of its own for every call."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    usage = {"input_tokens": 10, "cache_read_input_tokens": 900, "output_tokens": 20}
    message = {
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-8",
        "content": [{"type": "text", "text": "done " * 40}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "done " * 40},
    }
    completion = {
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5.4",
        "choices": [choice],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020},
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = message if self.path.endswith("/messages") else completion
            data = json.dumps({**body, "id": f"id_{time.monotonic_ns()}"}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


@contextlib.contextmanager
def instrumented(variant: str, sdk: str) -> Iterator[Callable[[], None]]:
    """Instrument this process; yields what flushes the spans."""
    if variant == "bare":
        yield lambda: None
        return
    if variant == "tokenprof":
        import tokenprof

        with tempfile.TemporaryDirectory() as folder:
            opened = tokenprof.profile(Path(folder) / "run.jsonl")
            opened.__enter__()
            yield lambda: opened.__exit__(None, None, None)
        return
    if variant == "logfire":
        import logfire

        logfire.configure(send_to_logfire=False, console=False)
        getattr(logfire, f"instrument_{sdk}")()
        yield logfire.force_flush
        return
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Dropping(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    trace.set_tracer_provider(provider)
    if variant == "traceloop":
        module = f"opentelemetry.instrumentation.{sdk}"
    elif variant == "openinference":
        module = f"openinference.instrumentation.{sdk}"
    elif variant == "otel openai-v2":
        module = "opentelemetry.instrumentation.openai_v2"
    else:
        module = ""
    if module:
        loaded = __import__(module, fromlist=["x"])
        name = {"anthropic": "AnthropicInstrumentor", "openai": "OpenAIInstrumentor"}[sdk]
        getattr(loaded, name)().instrument()
    yield provider.force_flush


def step(messages: list[dict[str, Any]], number: int, sdk: str) -> None:
    """Add a tool call and its result."""
    text, arguments = TEXT * 16, {"path": f"src/file_{number}.py", "body": TEXT * 4}
    if sdk == "anthropic":
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": "read_file", "input": arguments}
        result = {
            "type": "tool_result",
            "tool_use_id": call["id"],
            "content": [{"type": "text", "text": text}],
        }
        messages.append({"role": "assistant", "content": [{"type": "text", "text": "I look."}, call]})
        messages.append({"role": "user", "content": [result]})
    else:
        function = {"name": "read_file", "arguments": json.dumps(arguments)}
        called = {"id": f"call_{number}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": "I look.", "tool_calls": [called]})
        messages.append({"role": "tool", "tool_call_id": called["id"], "content": text})


def client(variant: str, sdk: str, size_kb: int, url: str) -> None:
    """Make the calls of one process, and print its figures as JSON."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Mend the tests."}]
    number = 0
    while len(json.dumps(messages)) < size_kb * 1000:
        step(messages, number, sdk)
        number += 1
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with instrumented(variant, sdk) as flush:
        import anthropic
        import openai

        if sdk == "anthropic":
            claude = anthropic.Anthropic(api_key="x", base_url=url)
            tools: Any = [
                {"name": "read_file", "description": "Reads. " * 20, "input_schema": {"type": "object"}}
            ]

            def ask() -> object:
                return claude.messages.create(
                    model="claude-opus-4-8", max_tokens=64, messages=messages, tools=tools
                )
        else:
            gpt = openai.OpenAI(api_key="x", base_url=url)
            function = {
                "name": "read_file",
                "description": "Reads. " * 20,
                "parameters": {"type": "object"},
            }
            given: Any = [{"type": "function", "function": function}]

            def ask() -> object:
                return gpt.chat.completions.create(model="gpt-5.4", messages=messages, tools=given)

        walls, caller_s, started_s = [], 0.0, 0.0
        for call in range(WARM_UP + CALLS):
            if call == WARM_UP:
                time.sleep(2.0)  # Whatever is loaded for the first calls is there.
                started_s, caller_s = time.process_time(), 0.0
            step(messages, number + call, sdk)
            wall, thread = time.perf_counter(), time.thread_time()
            ask()
            if call >= WARM_UP:
                walls.append(time.perf_counter() - wall)
                caller_s += time.thread_time() - thread
            time.sleep(0.05)  # A model writes for longer.
        beside_s = counting_s()
        flush()
        cpu_s = time.process_time() - started_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {
        "cpu_ms": cpu_s / CALLS * 1e3,
        "caller_ms": caller_s / CALLS * 1e3,
        "wall_ms": statistics.median(walls) * 1e3,
        "peak_mb": peak_mb - before_mb,
        "counting_process_s": beside_s,
    }
    print(json.dumps(figures))


def counting_s() -> float:
    """Return the CPU time so far, in seconds, of the process that counts tokens for this one."""
    total = 0.0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if str(os.getpid()).encode() in words and any(word.endswith(b"counting.py") for word in words):
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def environment(folder: Path) -> Path:
    """Return the Python of an environment with the rivals, which is made if it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def measured(python: Path, sdk: str, sizes: list[int], rounds: int) -> dict[str, Any]:
    """Return the figures by size and variant, medians over the rounds, which are interleaved."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TOKENPROF_KEY": "benchmark-benchmark"}
    command = [str(python), __file__, "--serve"]
    taken: dict[int, dict[str, list[dict[str, float]]]] = {size: {} for size in sizes}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        try:
            for _ in range(rounds):
                for size in sizes:
                    for variant in VARIANTS[sdk]:
                        one = [str(python), __file__, "--client", variant, "--sdk", sdk, "--url", url]
                        found = subprocess.run(
                            [*one, "--sizes", str(size)],
                            env=environ,
                            check=False,
                            capture_output=True,
                            text=True,
                        )
                        if found.returncode:
                            print(f"{variant} at {size} kB failed: {found.stderr.strip()[-300:]}")
                            continue
                        figures = json.loads(found.stdout.splitlines()[-1])
                        taken[size].setdefault(variant, []).append(figures)
        finally:
            server.kill()
    return {
        str(size): {
            variant: {name: statistics.median(one[name] for one in runs) for name in runs[0]}
            for variant, runs in variants.items()
        }
        for size, variants in taken.items()
    }


def show(figures: dict[str, Any], sdk: str) -> None:
    """Print a table, with the ratios to the bare SDK."""
    for size, variants in figures.items():
        bare = variants["bare"]
        print(f"\n{sdk}, request of {size} kB")
        heads = ("CPU ms", "ratio", "caller ms", "ratio", "wall ms", "added", "MB")
        widths = (9, 7, 11, 7, 9, 8, 7)
        print(" " * 18 + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
        for variant, found in variants.items():
            ratios = [found[name] / bare[name] for name in ("cpu_ms", "caller_ms")]
            added = found["wall_ms"] - bare["wall_ms"]
            print(
                f"{variant:18}{found['cpu_ms']:9.2f}{ratios[0]:7.2f}{found['caller_ms']:11.2f}{ratios[1]:7.2f}"
                f"{found['wall_ms']:9.2f}{added:+8.2f}{found['peak_mb'] - bare['peak_mb']:7.1f}"
            )
        beside = variants.get("tokenprof", {}).get("counting_process_s", 0.0)
        print(f"the process that counts tokens took {beside:.2f} s of CPU in all, its start included")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[31, 794])
    parser.add_argument("--sdk", choices=sorted(VARIANTS), default="anthropic")
    parser.add_argument("--environment", type=Path, default=ROOT / ".rivals")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
    elif options.client:
        client(options.client, options.sdk, options.sizes[0], options.url)
    else:
        python = environment(options.environment)
        figures = measured(python, options.sdk, options.sizes, options.rounds)
        show(figures, options.sdk)
        kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        kept[options.sdk] = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "figures": figures}
        RESULT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()

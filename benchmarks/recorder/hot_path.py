"""What each instrumentation of a model SDK costs its host, side by side: the whole process's CPU and memory.

    python benchmarks/recorder/hot_path.py [--rounds 12] [--sizes 31 794] [--sdk anthropic]

The rivals are installed into an environment of its own (a folder, kept for the next time), never into ours.
There is one process per instrumentation. They take turns: in each round every process makes the same five
calls, while the others sleep, to a provider in another process that answers at once. The calls continue a
conversation of the given size by one tool call and its result each; its first call is not counted. Figures
are per call, and medians over the rounds: CPU of the whole process, with what it does after the calls until
its next turn; CPU of the calling thread; wall time of a call. Rivals hand their spans to an exporter that
drops them, so sending is not in their figures. The process in which tokenprof counts tokens is shown apart.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "hot_path.json"
PACKAGES = (
    "anthropic",
    "openai",
    "httpx",
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
CALLS = 5
SETTLE_S = 0.4
TEXT = "def f(value):\n    return [item for item in value if item.is_ready and item.size > 10]\n"


@contextlib.contextmanager
def instrumented(variant: str, sdk: str) -> Iterator[Callable[[], None]]:
    """Instrument this process; yields what flushes the spans."""
    if variant == "bare":
        yield lambda: None
        return
    if variant == "tokenprof":
        import tokenprof

        # A turn is written at once: there is nothing to flush.
        with tempfile.TemporaryDirectory() as folder, tokenprof.profile(Path(folder) / "run.jsonl"):
            yield lambda: None
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


def step(messages: list[dict[str, Any]], name: str, sdk: str) -> None:
    """Add a tool call and its result."""
    text, arguments = TEXT * 16, {"path": f"src/file_{name}.py", "body": TEXT * 4}
    if sdk == "anthropic":
        call = {"type": "tool_use", "id": f"toolu_{name}", "name": "read_file", "input": arguments}
        result = {
            "type": "tool_result",
            "tool_use_id": call["id"],
            "content": [{"type": "text", "text": f"{name}\n{text}"}],
        }
        messages.append({"role": "assistant", "content": [{"type": "text", "text": "I look."}, call]})
        messages.append({"role": "user", "content": [result]})
    else:
        function = {"name": "read_file", "arguments": json.dumps(arguments)}
        called = {"id": f"call_{name}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": "I look.", "tool_calls": [called]})
        messages.append({"role": "tool", "tool_call_id": called["id"], "content": f"{name}\n{text}"})


def conversation(name: str, sdk: str, size_kb: int) -> list[dict[str, Any]]:
    """Return a conversation of a size, of which no text but the code is in one with another name."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"Mend the tests of {name}."}]
    for number in itertools.count():
        if number % 8 == 0 and len(json.dumps(messages)) >= size_kb * 1000:
            return messages
        step(messages, f"{name}_{number}", sdk)
    return messages


def asker(sdk: str, url: str) -> Callable[[list[dict[str, Any]]], object]:
    """Return what makes a call."""
    description = "Reads. " * 20
    if sdk == "anthropic":
        import anthropic

        claude = anthropic.Anthropic(api_key="x", base_url=url)
        tools: Any = [{"name": "read_file", "description": description, "input_schema": {"type": "object"}}]
        return lambda messages: claude.messages.create(
            model="claude-opus-4-8", max_tokens=64, messages=cast(Any, messages), tools=tools
        )
    import openai

    gpt = openai.OpenAI(api_key="x", base_url=url)
    function = {"name": "read_file", "description": description, "parameters": {"type": "object"}}
    given: Any = [{"type": "function", "function": function}]
    return lambda messages: gpt.chat.completions.create(
        model="gpt-5.4", messages=cast(Any, messages), tools=given
    )


def client(variant: str, sdk: str, size_kb: int, url: str) -> None:
    """Make the calls of one process: five for each line of the input, whose figures it prints as JSON."""
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with instrumented(variant, sdk) as flush:
        ask = asker(sdk, url)
        for number, _ in enumerate(sys.stdin):
            messages = conversation(str(number), sdk, size_kb)
            ask(messages)
            time.sleep(SETTLE_S)  # Whatever is loaded for a first call is there.
            walls, caller_s = [], 0.0
            started_s, beside_s = time.process_time(), counting_s()
            for call in range(CALLS):
                step(messages, f"{number}_then_{call}", sdk)
                wall, thread = time.perf_counter(), time.thread_time()
                ask(messages)
                walls.append(time.perf_counter() - wall)
                caller_s += time.thread_time() - thread
                time.sleep(0.05)  # A model writes for longer.
            time.sleep(SETTLE_S)
            flush()
            figures = {
                "cpu_ms": (time.process_time() - started_s) / CALLS * 1e3,
                "caller_ms": caller_s / CALLS * 1e3,
                "wall_ms": statistics.median(walls) * 1e3,
                "beside_ms": (counting_s() - beside_s) / CALLS * 1e3,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb,
            }
            print(json.dumps(figures), flush=True)


def counting_s() -> float:
    """Return the CPU time so far, in seconds, of the process that counts tokens for this one."""
    total = 0.0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if str(os.getpid()).encode() in words and any(word.endswith(b"counting.py") for word in words):
                total += int((entry / "schedstat").read_text().split()[0]) / 1e9
    return total


def environment(folder: Path) -> Path:
    """Return the Python of an environment with the rivals, which is made if it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def measured(
    python: Path, sdk: str, size_kb: int, rounds: int, variants: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the figures by variant: medians over the rounds, without the first."""
    # Not above: the processes that are measured import this file, too.
    from loopback import provider

    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TOKENPROF_KEY": "benchmark-benchmark"}
    taken: dict[str, list[dict[str, float]]] = {variant: [] for variant in variants}
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(provider())
        arguments = ["--sdk", sdk, "--url", url, "--sizes", str(size_kb)]
        processes = {}
        for variant in variants:
            said = stack.enter_context(tempfile.TemporaryFile("w+"))
            processes[variant] = (
                subprocess.Popen(
                    [python, __file__, "--client", variant, *arguments],
                    env=environ,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    text=True,
                ),
                said,
            )
            stack.callback(processes[variant][0].kill)
        for turn in range(rounds + 1):
            for place in range(len(variants)):
                variant = variants[(turn + place) % len(variants)]
                if variant not in processes:
                    continue
                process, said = processes[variant]
                assert process.stdin is not None
                assert process.stdout is not None
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write("\n")
                    process.stdin.flush()
                answered = process.stdout.readline()
                if answered:
                    taken[variant].append(json.loads(answered))
                    continue
                said.seek(0)
                print(f"{variant} at {size_kb} kB failed: {said.read().strip()[-300:]}")
                del processes[variant], taken[variant]
    return {
        variant: {name: statistics.median(one[name] for one in figures[1:]) for name in figures[0]}
        | {
            f"{name}_added": statistics.median(
                one[name] - bare[name] for one, bare in zip(figures[1:], taken[variants[0]][1:], strict=True)
            )
            for name in ("cpu_ms", "caller_ms", "wall_ms")
        }
        for variant, figures in taken.items()
    }


def show(variants: dict[str, dict[str, float]], sdk: str, size_kb: int) -> None:
    """Print a table, with the ratios to the bare SDK."""
    bare = variants["bare"]
    print(f"\n{sdk}, request of {size_kb} kB: ms a call, and the median of what is added in each round")
    heads = ("CPU", "added", "ratio", "caller", "added", "ratio", "wall", "added", "beside", "MB")
    print(" " * 16 + "".join(f"{head:>8}" for head in heads))
    for variant, found in variants.items():
        cells = []
        for name in ("cpu_ms", "caller_ms"):
            added, ratio = found[f"{name}_added"], found[name] / bare[name]
            cells += [f"{found[name]:8.2f}", f"{added:+8.2f}", f"{ratio:8.2f}"]
        cells += [f"{found['wall_ms']:8.2f}", f"{found['wall_ms_added']:+8.2f}", f"{found['beside_ms']:8.2f}"]
        print(f"{variant:16}" + "".join(cells) + f"{found['peak_mb'] - bare['peak_mb']:8.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--sizes", type=int, nargs="+", default=[31, 794])
    parser.add_argument("--sdk", choices=sorted(VARIANTS), default="anthropic")
    parser.add_argument("--environment", type=Path, default=ROOT / ".rivals")
    parser.add_argument("--variants", nargs="+", help="only these, beside each other")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        client(options.client, options.sdk, options.sizes[0], options.url)
    else:
        python = environment(options.environment)
        variants = options.variants or VARIANTS[options.sdk]
        figures = {}
        for size_kb in options.sizes:
            figures[str(size_kb)] = measured(python, options.sdk, size_kb, options.rounds, variants)
            show(figures[str(size_kb)], options.sdk, size_kb)
        if options.variants:
            return
        kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        kept[options.sdk] = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine,
            "rounds": options.rounds,
            "figures": figures,
        }
        RESULT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()

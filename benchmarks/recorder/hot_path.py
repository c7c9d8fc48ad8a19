"""What each instrumentation of a model SDK costs its host, side by side: the whole process's CPU and memory.

    python benchmarks/recorder/hot_path.py [--rounds 6] [--sizes 31 794] [--sdk anthropic]

The rivals are installed into an environment of its own (a folder, kept for the next time), never into ours.
There is one process per instrumentation, and they take turns call by call, so that a busy machine slows
neighbours by the same: in each round every process makes ten calls that continue a conversation of the given
size by one tool call and its result each, to a provider in another process that answers at once. The first
call of a conversation is not counted. Wall time and CPU time of the calling thread are compared call by call,
and the median of the differences is what an instrumentation adds. What its other threads spend is read from
the process, not a difference: over a whole round, with the end of it, in which rivals flush their spans.
Rivals hand those to an exporter that drops them, so sending is not in their figures. The process in which
tokenprof counts tokens is shown apart.
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
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "hot_path.json"
PACKAGES = (
    "anthropic",
    "openai",
    "httpx",
    "msgspec",
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
CALLS = 10
SETTLE_S = 0.4
LAST_COUNT_S = 1.3
"""Texts are counted once a second."""
PAUSE_S = 0.03
"""What is done after a call is done before the next process makes its own; a model writes for longer."""
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
    """Make a call for each line of the input; print its figures, or those of a round at its end, as JSON."""
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with instrumented(variant, sdk) as flush:
        ask = asker(sdk, url)
        messages: list[dict[str, Any]] = []
        background_s = beside_s = 0.0
        for number, line in enumerate(sys.stdin):
            figures = {}
            if line.startswith("begin"):
                messages = conversation(str(number), sdk, size_kb)
                ask(messages)
                time.sleep(SETTLE_S)  # Whatever is loaded for a first call is there.
                background_s, beside_s = background_cpu_s(), counting_s()
            elif line.startswith("end"):
                flush()
                time.sleep(LAST_COUNT_S)
                figures = {
                    "background_ms": (background_cpu_s() - background_s) / CALLS * 1e3,
                    "beside_ms": (counting_s() - beside_s) / CALLS * 1e3,
                    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb,
                }
            else:
                step(messages, f"{number}_then", sdk)
                wall, thread = time.perf_counter(), time.thread_time()
                ask(messages)
                figures = {
                    "caller_ms": (time.thread_time() - thread) * 1e3,
                    "wall_ms": (time.perf_counter() - wall) * 1e3,
                }
                time.sleep(PAUSE_S)
            print(json.dumps(figures), flush=True)


def background_cpu_s() -> float:
    """Return the CPU time so far, in seconds, of all threads of this process but this one."""
    return time.process_time() - time.thread_time()


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


class MeasuredProcess:
    """One process, whose calls are instrumented in one way."""

    def __init__(self, stack: contextlib.ExitStack, command: Sequence[str | Path], variant: str) -> None:
        self._said: IO[str] = stack.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, "--client", variant],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TOKENPROF_KEY": "benchmark-benchmark"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        stack.callback(self._process.kill)

    def told(self, what: str) -> dict[str, float]:
        """Return the figures that it answers with. Raises RuntimeError if it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(what + "\n")
            self._process.stdin.flush()
        answered = self._process.stdout.readline()
        if not answered:
            self._said.seek(0)
            raise RuntimeError(self._said.read().strip()[-300:])
        found: dict[str, float] = json.loads(answered)
        return found


def measured(
    python: Path, sdk: str, size_kb: int, rounds: int, variants: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the figures by variant: medians over calls and rounds, without the first round."""
    # Not above: the processes that are measured import this file, too.
    from loopback import provider

    taken: dict[str, dict[str, list[float]]] = {variant: {} for variant in variants}
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(provider())
        command = [python, __file__, "--sdk", sdk, "--url", url, "--sizes", str(size_kb)]
        clients = {variant: MeasuredProcess(stack, command, variant) for variant in variants}
        for turn in range(rounds + 1):
            for place, what in enumerate(["begin", *["call"] * CALLS, "end"]):
                order = [variants[(turn + place + each) % len(variants)] for each in range(len(variants))]
                for variant in order:
                    if variant not in clients:
                        continue
                    try:
                        figures = clients[variant].told(what)
                    except RuntimeError as error:
                        print(f"{variant} at {size_kb} kB failed: {error}")
                        del clients[variant], taken[variant]
                        continue
                    for name, figure in figures.items() if turn else ():
                        taken[variant].setdefault(name, []).append(figure)
    bare = taken[variants[0]]
    found: dict[str, dict[str, float]] = {}
    for variant, figures_of in taken.items():
        of_variant = {name: statistics.median(each) for name, each in figures_of.items()}
        for name in ("caller_ms", "wall_ms"):
            differences = [one - other for one, other in zip(figures_of[name], bare[name], strict=True)]
            of_variant[f"{name}_added"] = statistics.median(differences)
            # Of the median of so many: the quarter of them on each side, divided by the root of their number.
            low, _, high = statistics.quantiles(differences, n=4)
            of_variant[f"{name}_error"] = 0.93 * (high - low) / len(differences) ** 0.5
        added = of_variant["background_ms"] - statistics.median(bare["background_ms"])
        of_variant["cpu_ms_added"] = of_variant["caller_ms_added"] + added
        of_variant["cpu_ms"] = of_variant["caller_ms"] + of_variant["background_ms"]
        found[variant] = of_variant
    return found


def show(variants: dict[str, dict[str, float]], sdk: str, size_kb: int) -> None:
    """Print a table. Ratios are what is added to the bare SDK's median, by it."""
    bare = variants["bare"]
    print(f"\n{sdk}, request of {size_kb} kB: ms a call; ± is the standard error of a median")
    heads = (
        "CPU",
        "added",
        "ratio",
        "others",
        "caller",
        "added",
        "±",
        "ratio",
        "wall",
        "added",
        "±",
        "beside",
        "MB",
    )
    print(" " * 16 + "".join(f"{head:>8}" for head in heads))
    for variant, found in variants.items():
        cells = (
            f"{found['cpu_ms']:8.2f}",
            f"{found['cpu_ms_added']:+8.2f}",
            f"{1 + found['cpu_ms_added'] / bare['cpu_ms']:8.3f}",
            f"{found['background_ms']:8.2f}",
            f"{found['caller_ms']:8.2f}",
            f"{found['caller_ms_added']:+8.2f}",
            f"{found['caller_ms_error']:8.2f}",
            f"{1 + found['caller_ms_added'] / bare['caller_ms']:8.3f}",
            f"{found['wall_ms']:8.2f}",
            f"{found['wall_ms_added']:+8.2f}",
            f"{found['wall_ms_error']:8.2f}",
            f"{found['beside_ms']:8.2f}",
            f"{found['peak_mb'] - bare['peak_mb']:8.1f}",
        )
        print(f"{variant:16}" + "".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=6)
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

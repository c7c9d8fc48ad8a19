"""`tokenprof proxy` and `tokenprof run`: profile a harness in any language, from outside."""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.proxy.observe import Observer
    from tokenprof.proxy.server import RecordingProxy, Routes


def add_commands(commands: Any) -> None:
    """Add `proxy` and `run` to the command line."""
    proxy = commands.add_parser(
        "proxy",
        help="record what passes through a reverse proxy on 127.0.0.1",
        description="Take model calls on 127.0.0.1, pass them on untouched, and record them.",
    )
    proxy.add_argument("--port", type=int, default=8100, help="port to listen at (default: 8100; 0: any)")
    proxy.add_argument("--upstream", metavar="URL", help="pass everything on to this one base address")
    _add_record(proxy)
    proxy.set_defaults(run=run_proxy)

    run = commands.add_parser(
        "run",
        help="profile a command: tokenprof run -- COMMAND…",
        description="Run a command with its model calls recorded, and report them when it ends. "
        "Python is instrumented from inside; anything else goes through a proxy on 127.0.0.1.",
    )
    _add_record(run)
    run.add_argument("--no-report", action="store_true", help="record only")
    run.add_argument("--proxy", action="store_true", help="use the proxy for Python, too")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND…")
    run.set_defaults(run=run_command)


def _add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="where to record, or to continue a recording (default: run.jsonl or the next free name)",
    )


def run_proxy(options: argparse.Namespace) -> int:
    """`tokenprof proxy`: serve until interrupted."""
    path = options.record or _free_name()
    _require_recordable(path)
    # Whoever stops a service sends this one; what is pending is to be written all the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _proxy(path, os.environ, port=options.port, upstream=options.upstream) as proxy:
        _say(f"recording to {path}; stop with Ctrl-C")
        for variable, url in _addresses(proxy, options.upstream).items():
            print(f"export {variable}={url}", flush=True)  # noqa: T201 - for `eval` or to copy
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            _say(f"read it with: tokenprof report {path}")
    return 0


def run_command(options: argparse.Namespace) -> int:
    """`tokenprof run`: run a command, report its calls on standard error, return its exit code."""
    from tokenprof.proxy.address_arguments import told_the_address
    from tokenprof.proxy.child import run_child

    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise InputError("tokenprof run needs a command; write it behind two dashes: tokenprof run -- claude")
    path = (options.record or _free_name()).absolute()
    _require_recordable(path)
    if not options.proxy and (environment := _inside(command, path)):
        code = run_child(command, environment)
    else:
        with _proxy(path, os.environ) as proxy:
            addresses = _addresses(proxy)
            code = run_child(told_the_address(command, os.environ, addresses), _behind(addresses))
    recorded = not _remove_if_empty(path)
    if not options.no_report:
        _report(path, recorded=recorded)
    return code


def _inside(command: Sequence[str], path: Path) -> dict[str, str] | None:
    """Return the environment in which a Python command records itself; None for one that cannot."""
    from tokenprof.proxy.python_command import has_tokenprof, python_of, recording_environment

    python = python_of(command, os.environ)
    if python is None:
        return None
    if not has_tokenprof(python, os.environ):
        _say(f"tokenprof is not installed for {python}; its calls are recorded through the proxy")
        return None
    return {**os.environ, **recording_environment(path, os.environ)}


def _behind(addresses: Mapping[str, str]) -> dict[str, str]:
    from tokenprof.live.profile import RUN_VARIABLE
    from tokenprof.proxy.child import not_proxied

    # What the proxy records the child is not to record a second time.
    own = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
    return {**own, **not_proxied(own), **addresses}


@contextmanager
def _proxy(
    path: Path, environment: Mapping[str, str], *, port: int = 0, upstream: str | None = None
) -> Iterator[RecordingProxy]:
    from tokenprof.proxy.observe import Observer
    from tokenprof.proxy.upstream import upstream_at
    from tokenprof.record.recorder import Recorder
    from tokenprof.record.wires import WIRES

    routes = (
        {"": upstream_at(upstream)}
        if upstream
        else {
            f"/{wire.provider}": upstream_at(environment.get(wire.variable) or wire.default_url)
            for wire in WIRES
            if wire.variable
        }
    )
    recorder = Recorder(path)
    try:
        with _listening(routes, Observer(recorder), port) as proxy:
            yield proxy
    finally:
        recorder.close()


def _listening(routes: Routes, observer: Observer, port: int) -> RecordingProxy:
    from tokenprof.proxy.server import RecordingProxy

    try:
        return RecordingProxy(routes, observer, port=port)
    except OSError as error:
        raise InputError(
            f"port {port} of 127.0.0.1 cannot be listened at ({error.strerror}); choose another with --port."
        ) from None


def _addresses(proxy: RecordingProxy, upstream: str | None = None) -> dict[str, str]:
    from tokenprof.record.wires import WIRES

    return {
        wire.variable: proxy.url("" if upstream else f"/{wire.provider}") for wire in WIRES if wire.variable
    }


def _free_name() -> Path:
    names = itertools.chain(["run.jsonl"], (f"run-{number}.jsonl" for number in itertools.count(2)))
    return next(path for path in map(Path, names) if not path.exists())


def _require_recordable(path: Path) -> None:
    """Raise InputError now where a recording could not be written once the command runs."""
    from tokenprof.facts.version import __version__
    from tokenprof.record.writer import RunWriter

    try:
        RunWriter(path, {}, __version__).close()
    except OSError as error:
        raise InputError(f"{path} cannot be recorded to: {error.strerror or error}") from None


def _remove_if_empty(path: Path) -> bool:
    if path.exists() and path.stat().st_size:
        return False
    path.unlink(missing_ok=True)
    return True


def _report(path: Path, *, recorded: bool) -> None:
    """Report on standard error: standard output is the command's own. What goes wrong costs no exit code."""
    if not recorded:
        from tokenprof.record.wires import WIRES

        variables = ", ".join(wire.variable for wire in WIRES if wire.variable)
        _say(
            f"no model call was recorded. A client that reads none of {variables} "
            "has to be given the address of `tokenprof proxy` in its own settings."
        )
        return
    from rich.console import Console

    from tokenprof.reading.files import read
    from tokenprof.report.build import report_of
    from tokenprof.report.terminal.text import render

    try:
        render(report_of(read([path])), Console(stderr=True), turns=None, blocks=15)
    except Exception as error:  # noqa: BLE001 - the command has ended well or badly; that is what counts
        _say(f"the run could not be reported ({type(error).__name__}: {error})")
    _say(f"recorded in {path}; read it again with: tokenprof report {path}")


def _say(sentence: str) -> None:
    print(f"tokenprof: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - the command's own voice

"""`tokenprof live`: a run while it grows, in the terminal or as a page on 127.0.0.1."""

from __future__ import annotations

import argparse
import os
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tokenprof.commands.console.assumption_options import add_assumption_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import emit, say
from tokenprof.commands.console.values import file_path
from tokenprof.facts.errors import InputError

CLAUDE_VARIABLE: Final = "CLAUDE_CONFIG_DIR"
MISSING: Final = (
    "The live view needs Textual, which is not installed: pip install 'agent-tokenprof[live]'. "
    "--page shows it in the browser without."
)


def add_commands(commands: Any) -> None:
    """Add `live` to a parser's subcommands."""
    parser = commands.add_parser(
        "live",
        help="watch a run while it grows",
        description="Show the bill so far, each agent's context and cache, and what the next call costs, "
        "from a recording or log that is still written.",
    )
    parser.add_argument("files", nargs="*", type=file_path, metavar="FILE|FOLDER")
    parser.add_argument(
        "--proxy",
        metavar="FILE",
        type=file_path,
        help="start a recording proxy that writes to this file, and watch it",
    )
    parser.add_argument(
        "--claude-projects", action="store_true", help="watch the newest session of Claude Code"
    )
    parser.add_argument("--page", action="store_true", help="a page on 127.0.0.1 instead of the terminal")
    parser.add_argument("--no-browser", action="store_true", help="with --page: print its address only")
    add_assumption_options(parser)
    parser.set_defaults(run=run_live)


def run_live(options: argparse.Namespace) -> int:
    """Follow the files until the user quits."""
    find, source = _watched(options)
    assumptions = assumptions_of(options)

    from tokenprof.analysis.assumptions import price_book
    from tokenprof.pictures.live.following import Follower
    from tokenprof.pictures.live.live_detail import DetailReader

    follower = Follower(find, price_book(assumptions), DetailReader(assumptions))
    with _proxy(options.proxy) as addressed:
        source = " · ".join((source, *addressed))
        if options.page:
            _serve(follower, source, opens=not options.no_browser)
            return OK
        try:
            from tokenprof.pictures.live.terminal_app import LiveApp
        except ImportError as error:
            raise InputError(MISSING) from error
        LiveApp(follower, source).run()
    return OK


def _watched(options: argparse.Namespace) -> tuple[Callable[[], list[Path]], str]:
    """Return a function that finds what to watch, and what that is called."""
    ways = [bool(options.files), options.proxy is not None, options.claude_projects]
    if sum(ways) != 1:
        raise InputError("Name one thing to watch: FILE, --proxy FILE or --claude-projects.")
    if options.claude_projects:
        newest_session()
        return lambda: [newest_session()], "the newest session of Claude Code"
    paths = list(options.files) if options.files else [options.proxy]
    return lambda: paths, ", ".join(path.name or str(path) for path in paths)


def newest_session() -> Path:
    """Return the Claude Code session that was written to last. Raises InputError if no session is found."""
    folder = Path(os.environ.get(CLAUDE_VARIABLE) or Path.home() / ".claude") / "projects"
    found = [path for path in folder.glob("*/*.jsonl") if not path.name.startswith("agent-")]
    if not found:
        raise InputError(f"{folder} holds no session of Claude Code; name the file to watch.")
    return max(found, key=lambda path: path.stat().st_mtime_ns)


@contextmanager
def _proxy(path: Path | None) -> Iterator[list[str]]:
    """Run a recording proxy, say how programs are pointed at it, and yield that; nothing without a path."""
    if path is None:
        yield []
        return
    from tokenprof.proxy.recording_proxy import addresses, recording_proxy

    with recording_proxy(path, os.environ) as proxy:
        addressed = [f"{variable}={url}" for variable, url in addresses(proxy, None).items()]
        for each in addressed:
            say(f"export {each}")
        yield addressed


def _serve(follower: Any, source: str, *, opens: bool) -> None:
    from tokenprof.pictures.live.event_page import LiveServer

    with LiveServer(follower, source) as server:
        emit(f"{server.url}\n")
        if opens:
            webbrowser.open(server.url)
        threading.Event().wait()

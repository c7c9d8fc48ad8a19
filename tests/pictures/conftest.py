"""Pages to look at: written once, and opened in a browser where the machine has one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pages import Opened, opened_pages, recorded_demo
from waiting import WATCHDOG_S

import tokenprof
from tokenprof.analysis.analysis import Analysis

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
QUIETER = ("--disable-component-update", "--disable-sync")


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def demo(demo_run: Path) -> Analysis:
    analysis: Analysis = tokenprof.load(demo_run).analyze()
    return analysis


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser; a machine without one skips, unless CI says that it must be there.

    While it runs, no test can run an event loop of its own, so it ends with its module.
    """
    if CHROMIUM is None:
        if "browser" in os.environ.get("TOKENPROF_TESTS_NEED", "").split():
            pytest.fail("This machine must have Chromium: .ci/run installs it.")
        pytest.skip("This machine has no Chromium; install it to run the tests of the page.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started: Any = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*QUIET, *QUIETER], timeout=WATCHDOG_S * 1000
        )
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Open pages; when the test is over, none has complained, failed, or asked for anything."""
    yield from opened_pages(browser, tmp_path)

"""Pages in a browser, and what is noted of them while a test drives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.commands.demo_agent import record_demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Opened = Callable[..., "Page"]


def recorded_demo(folder: Path) -> Path:
    path = folder / "run.jsonl"
    record_demo(path)
    return path


def opened_pages(browser: Browser, folder: Path) -> Iterator[Opened]:
    """Yield a function that opens HTML, and check at the end that the pages were quiet."""
    faults: list[str] = []
    pages: list[Page] = []

    def opened(html: bytes, width: int = 1280, theme: str = "light") -> Page:
        path = folder / f"page{len(pages)}.html"
        path.write_bytes(html)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
        pages.append(page)
        page.on("console", lambda said: faults.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda asked: None if asked.url in (path.as_uri(), "data:,") else faults.append(asked.url),
        )
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-drawn=all]")
        return page

    yield opened
    for page in pages:
        page.close()
    assert faults == []

"""Five questions of a new user, answered from the pages: each path is driven in a browser, counted and timed.

    python benchmarks/pictures/five_questions.py SESSION.html DEMO.html FLEET.html [FOLDER]

SESSION is the page of a long session without tool schemas, DEMO of a recording with them, FLEET of many runs.
Clicks and keys are those a person needs; seconds are the browser's, from opening the page until the answer is
in view, without a person's reading. With a FOLDER, each answer is also a screenshot there.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page


JUMP = "31"


class Hand:
    """What a person does to a page, counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.actions = 0

    def click(self, selector: str) -> None:
        """Click the first element that a selector finds."""
        self.actions += 1
        self.page.locator(selector).first.click(force=True)

    def fill(self, selector: str, text: str) -> None:
        """Write into a box and press Enter."""
        self.actions += 1
        self.page.fill(selector, text)
        self.page.keyboard.press("Enter")


def most_expensive(hand: Hand) -> str:
    return hand.page.inner_text("#answer .driver")


def why_a_jump(hand: Hand) -> str:
    """Ask about a turn by its number: one that jumps in the published session."""
    hand.fill("#turn-number", JUMP)
    said = hand.page.locator("#view-turn .why, #view-turn .callout").all_inner_texts()
    return " ".join(said)


def tool_to_defer(hand: Hand) -> str:
    hand.click("a[href='#icicle']")
    hand.click("input[name=icicle-by][value=needless_usd]")
    names = hand.page.locator("#view-icicle .box title").all_text_contents()
    return "; ".join(name for name in names if name.count(" › ") == 3)


def cache_lost(hand: Hand) -> str:
    hand.click("a[href='#cache']")
    return hand.page.locator("#view-cache > p").first.inner_text()


def normal_session(hand: Hand) -> str:
    return hand.page.inner_text("#usual")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the page that answers it, the way to the answer, and the part of the page for a picture."""

    text: str
    page: int
    answer: Callable[[Hand], str]
    shown: str


QUESTIONS = (
    Question("What cost most?", 0, most_expensive, "#answer"),
    Question(f"Why did turn {JUMP} jump?", 0, why_a_jump, "#turn"),
    Question("Which tool should be deferred?", 1, tool_to_defer, "#icicle"),
    Question("Was the cache lost?", 0, cache_lost, "#cache"),
    Question("Is this session normal?", 2, normal_session, ".answer"),
)


def main(arguments: list[str]) -> int:
    """Ask all of them and print a table."""
    from playwright.sync_api import sync_playwright

    pages, folder = arguments[:3], Path(arguments[3]) if len(arguments) > 3 else None
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser: Any = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for number, question in enumerate(QUESTIONS, 1):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            began_s = time.perf_counter()
            page.goto(Path(pages[question.page]).resolve().as_uri())
            page.wait_for_selector("html[data-drawn=all]")
            hand = Hand(page)
            answer = question.answer(hand)
            took_s = time.perf_counter() - began_s
            actions = f"{hand.actions} action{'s' if hand.actions != 1 else ''}"
            print(f"{number}. {question.text} {actions}, {took_s:.1f} s\n   {answer}")
            if folder is not None:
                page.locator(question.shown).first.screenshot(path=folder / f"question-{number}.png")
            page.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

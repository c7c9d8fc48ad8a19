"""The live view in a terminal: the bill so far, the context of each agent, its cache, and the next call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Sparkline, Static

from tokenprof.facts.inert_text import printable
from tokenprof.pictures.live.following import Follower
from tokenprof.pictures.live.live_detail import BLOCK_COLUMNS, NO_DETAIL, LiveDetail
from tokenprof.pictures.live.live_state import LiveState
from tokenprof.pictures.live.live_words import COLUMNS, headline, rows

EVERY_S: Final = 1.0
"""How often sizes are looked at and the time to expiry is written again."""

TURNS_DRAWN: Final = 400


class LiveApp(App[None]):
    """Shows what a follower reads. Nothing is drawn while nothing changes but the clock."""

    CSS = """
    #bill { text-style: bold; padding: 1 2 0 2; }
    #problem { color: $error; padding: 0 2; }
    #compute { padding: 0 2; }
    .label { color: $text-muted; padding: 1 2 0 2; }
    Sparkline { height: 4; margin: 0 2; }
    DataTable { height: auto; margin: 1 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "quit", "Quit")]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, follower: Follower, source: str) -> None:
        super().__init__()
        self._follower = follower
        self._source = printable(source)
        self._drawn: LiveState | None = None
        self._drawn_detail = NO_DETAIL

    def compose(self) -> ComposeResult:
        """Lay the view out."""
        yield Static(Text(f"waiting for {self._source}"), id="bill")
        yield Static("", id="problem")
        yield Static("context, tokens per turn", classes="label")
        yield Sparkline([], id="context")
        yield Static("billed per turn", classes="label")
        yield Sparkline([], id="cost")
        yield DataTable(id="agents", cursor_type="none", zebra_stripes=True)
        yield Static("", id="compute")
        yield DataTable(id="blocks", cursor_type="none", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look at the files."""
        table: DataTable[Text] = self.query_one("#agents", DataTable)
        for column in COLUMNS:
            table.add_column(column, key=column)
        blocks: DataTable[Text] = self.query_one("#blocks", DataTable)
        for column in BLOCK_COLUMNS:
            blocks.add_column(column, key=column)
        self.refresh_view()
        self.set_interval(EVERY_S, self.refresh_view)

    def refresh_view(self) -> None:
        """Read what has changed and draw it; else only count the time to expiry down."""
        is_new = self._follower.poll()
        state = self._follower.state
        if is_new:
            self.query_one("#problem", Static).update(Text(printable(self._follower.problem or "")))
        if state is None:
            return
        if state is not self._drawn:
            self._draw(state)
        self._draw_agents(state)
        if self._follower.detail is not self._drawn_detail:
            self._draw_detail(self._follower.detail)

    def _draw_detail(self, detail: LiveDetail) -> None:
        self._drawn_detail = detail
        self.query_one("#compute", Static).update(Text(detail.compute))
        blocks: DataTable[Text] = self.query_one("#blocks", DataTable)
        blocks.clear()
        for row in detail.blocks:
            blocks.add_row(*map(Text, row))

    def _draw(self, state: LiveState) -> None:
        self._drawn = state
        self.query_one("#bill", Static).update(Text(f"{self._source}\n{headline(state)}"))
        self.query_one("#context", Sparkline).data = _floats(state.context_tokens)
        self.query_one("#cost", Sparkline).data = _floats(state.turn_usd)

    def _draw_agents(self, state: LiveState) -> None:
        table: DataTable[Text] = self.query_one("#agents", DataTable)
        cells = list(rows(state, datetime.now(UTC)))
        if table.row_count != len(cells):
            table.clear()
            for place, row in enumerate(cells):
                table.add_row(*map(Text, row), key=str(place))
            return
        for place, row in enumerate(cells):
            for column, text in zip(COLUMNS, row, strict=True):
                if table.get_cell(str(place), column).plain != text:
                    table.update_cell(str(place), column, Text(text), update_width=True)


def _floats(values: Sequence[Any]) -> list[float]:
    return [float(value or 0) for value in values[-TURNS_DRAWN:]]

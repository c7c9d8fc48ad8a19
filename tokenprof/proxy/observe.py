"""The exchanges that pass through the proxy, handed to the recorder when they end."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Mapping

from tokenprof.facts.inert_text import printable
from tokenprof.facts.secrets.masks import masked_text
from tokenprof.proxy.request import OverBudgetError
from tokenprof.record.attempt import Attempt
from tokenprof.record.background.system_threads import now_ns
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.content_coding import decoded
from tokenprof.record.exchange import Exchange, attempt_of_headers
from tokenprof.record.recorder import Recorder
from tokenprof.record.span import start_span
from tokenprof.record.wires import ANY_ANSWER, LONGEST_PATH, interpreter_of, wire_of

log = logging.getLogger("tokenprof")

NO_CALLS = re.compile(
    r"[/:](count_tokens|input_tokens|countTokens|computeTokens|tokenize|moderations)(/|$)"
    r"|/(files|batches)(/|$)|/models$"
)
"""Paths whose answers may have counts, and cost nothing."""

AGENT_HEADER = "x-claude-code-agent-id"
"""Claude Code sends this with the calls of its subagents. Their session files have the same id."""


class Observer:
    """Notes each model call that passes, for one recorder."""

    def __init__(self, recorder: Recorder):
        self._recorder = recorder

    def require_budget(self, method: str, target: str, body: bytes) -> None:
        """Raise OverBudgetError for a model call that the owner's budget has no room for."""
        if self._recorder.gatekeeper is None or wire_of(method, target) is None:
            return
        self._recorder.settle()
        refusal = self._recorder.gatekeeper(len(body))
        if refusal is not None:
            raise OverBudgetError(refusal)

    def begin(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, host: str = ""
    ) -> Attempt | None:
        """Return the attempt to record; None for a request that no adapter reads as a model call.

        Never raises.
        """
        try:
            return self._begin(method, target, headers, body, host)
        except Exception as error:  # noqa: BLE001 - the request is passed on whatever happens here
            # Without the text of the error and its trace: either may quote a key or a body.
            log.warning(
                "tokenprof could not note a request to %s (%s)",
                printable(masked_text(target.partition("?")[0])),
                type(error).__name__,
            )
            return None

    def _begin(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, host: str
    ) -> Attempt | None:
        known = wire_of(method, target)
        if known is None and not may_be_a_call(method, target):
            return None
        wire = known or ANY_ANSWER
        interpret = interpreter_of(wire)
        request = decoded(body, headers.get("content-encoding", ""))
        call, retries_taken = attempt_of_headers(headers)
        exchange = Exchange(
            interpret=functools.partial(_read_decoded, interpret),
            provider=wire.provider,
            request=request,
            started_ns=now_ns(),
            call=call,
            target=target.partition("?")[0],
            retries_taken=retries_taken,
            client="proxy",
            host=host,
            agent=headers.get(AGENT_HEADER),
            is_guess=known is None,
        )
        if known is not None:
            start_span(exchange, "")
        return Attempt(exchange, self._recorder)


def may_be_a_call(method: str, target: str) -> bool:
    """Whether a request to an unknown API may be a model call, which its answer will show."""
    path = target.partition("?")[0]
    return method == "POST" and len(path) <= LONGEST_PATH and NO_CALLS.search(path) is None


def _read_decoded(
    interpret: Callable[[Exchange, Shaper], Call | None], exchange: Exchange, shaper: Shaper
) -> Call | None:
    coding = exchange.headers.get("content-encoding", "")
    exchange.body = decoded(exchange.body, coding)
    exchange.headers = {name: value for name, value in exchange.headers.items() if name != "content-encoding"}
    return interpret(exchange, shaper)

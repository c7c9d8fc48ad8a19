"""What an adapter reads in an exchange: prompt and answer as blocks, and the usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tokenprof.data_classes.often_made import often_made
from tokenprof.facts.types import AnswerFacts, Block
from tokenprof.pricing.sellers import ARN, without_account
from tokenprof.pricing.usage import Usage

ADVISOR = "advisor"
"""The agent whose turns are those of another model that advised while an answer was made."""


@often_made
class Advice:
    """What another model was billed while an answer was made, beside the counts of the answer.

    `model` is None if the answer does not name it.
    """

    model: str | None
    usage: Usage


@often_made(kw_only=True)
class Call(AnswerFacts):
    """What an adapter read in an exchange. `response_id` is None if the attempt produced no response to bill.

    `prompt` holds all blocks of the request in the order of the cache; `output_as_prompt` the answer as the
    blocks that it becomes when it is sent back, None if the provider does not keep it. `continues` is the id
    of the response whose prompt and output the provider itself puts in front of this prompt (a server-side
    thread), after the first `head` blocks, which are sent again each time. `thread` is a name under which the
    provider keeps all that was said (a conversation). `replaces` says that the answer replaces everything
    said before it (a compaction). `content` is the request and the response as they went over the wire, kept
    only if content is recorded. `seller` is who sold the call, if the answer says so. `advice` is billed
    beside it.
    """

    response_id: str | None
    prompt: tuple[Block, ...]
    output_as_prompt: tuple[Block, ...] | None = None
    continues: str | None = None
    head: int = 0
    thread: str | None = None
    replaces: bool = False
    content: Mapping[str, Any] | None = None
    seller: str | None = None
    advice: tuple[Advice, ...] = ()


def unanswered_call(requested_model: str) -> Call:
    """Return the call of an attempt that failed: nothing to bill, and only the model that was asked for."""
    return Call(
        response_id=None, requested_model=requested_model, model="", status="error", usage=None, prompt=()
    )


def named_without_account(call: Call) -> Call:
    """Return a call whose models are named without the account in an ARN, which is nobody's business."""
    if ARN not in call.model and ARN not in call.requested_model:
        return call
    return replace(
        call, model=without_account(call.model), requested_model=without_account(call.requested_model)
    )


def calls_of_advice(call: Call) -> list[Call]:
    """Return a call for each other model that advised; its prompt is not shown."""
    return [
        Call(
            response_id=f"{call.response_id}#advisor-{number}",
            requested_model=part.model or call.requested_model,
            model=part.model or call.model,
            status="ok",
            usage=part.usage,
            prompt=(),
            selectors=call.selectors,
            seller=call.seller,
        )
        for number, part in enumerate(call.advice, 1)
    ]

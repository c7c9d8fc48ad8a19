"""From an exchange to the call in it, whatever its bytes are."""

from __future__ import annotations

from dataclasses import replace

from tokenprof.pricing.sellers import seller_of_answer, seller_of_host
from tokenprof.record.background.harmless_log import log
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call, named_without_account
from tokenprof.record.exchange import Exchange, model_in, was_answered
from tokenprof.record.wire_values import readable


def unmeasured_call(exchange: Exchange, call: Call | None) -> Call:
    """Return the call of an exchange whose answer the recording did not see: it may be billed."""
    requested = call.requested_model if call else model_in(exchange.request)
    return Call(
        response_id=exchange.span_id,
        requested_model=requested,
        model=requested,
        status="partial",
        usage=None,
        prompt=(),
        output_incomplete=True,
    )


def seller_of(exchange: Exchange, call: Call, otherwise: str | None = None) -> str | None:
    """Return who sold a call, as its host or its answer shows, or `otherwise` if neither does.

    None is the API's own provider.
    """
    found = seller_of_host(exchange.host) or call.seller
    found = found or seller_of_answer(call.response_id or "", call.model, exchange.provider) or otherwise
    return None if found == exchange.provider else found


NOT_READ = "tokenprof failed to read it ({}); it is counted as unmeasured. Please report this."


def read_call(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange. An answer that an adapter fails on may be billed, so it is a call too.

    Raises what the adapter raises if there was no answer.
    """
    try:
        call = _read_leniently(exchange, shaper)
        return None if call is None else named_without_account(call)
    except Exception as error:
        if not was_answered(exchange):
            raise
        log.warning("tokenprof could not read a call to %s", exchange.provider, exc_info=True)
        call = unmeasured_call(exchange, None)
        return replace(call, notes=(NOT_READ.format(type(error).__name__),))


def _read_leniently(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange; if the fast parser refuses its bodies, in a form that it takes."""
    try:
        call = exchange.interpret(exchange, shaper)
    except ValueError:
        call = None
    else:
        is_answered = exchange.status_code is not None and 200 <= exchange.status_code < 300
        if (call is not None and call.response_id is not None) or not (is_answered and exchange.body):
            return call
    request, body = readable(exchange.request), readable(exchange.body)
    if request == exchange.request and body == exchange.body and call is not None:
        return call
    return exchange.interpret(replace(exchange, request=request, body=body), shaper)

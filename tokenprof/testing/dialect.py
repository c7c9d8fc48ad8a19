"""The forms in which a loopback provider can be asked for a message: Messages, Bedrock's Converse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from tokenprof.data_classes.frozen import frozen
from tokenprof.testing import converse
from tokenprof.testing.replies import error_body, events, frame

Message = Mapping[str, Any]


@frozen
class Dialect:
    """How a message is sent: whole, as the frames of a stream, or as a failure.

    `error` takes an HTTP status and a sentence; `error_headers` name the kind of an error by its status, and
    `id_headers` a response.
    """

    stream_type: str
    whole: Callable[[Message], bytes]
    frames: Callable[[Message], Iterator[bytes]]
    error_frame: bytes
    error: Callable[[int, str], bytes]
    error_headers: Callable[[int], dict[str, str]]
    id_headers: Callable[[str], dict[str, str]]


MESSAGES = Dialect(
    stream_type="text/event-stream; charset=utf-8",
    whole=orjson.dumps,
    frames=lambda message: map(frame, events(message)),
    error_frame=frame(
        {"type": "error", "error": {"type": "overloaded_error", "message": "scripted failure"}}
    ),
    error=error_body,
    error_headers=lambda status: {},
    id_headers=lambda response_id: {"request-id": f"req_{response_id}"},
)

CONVERSE = Dialect(
    stream_type="application/vnd.amazon.eventstream",
    whole=converse.answer,
    frames=converse.frames,
    error_frame=converse.framed(
        "modelStreamErrorException", {"message": "scripted failure"}, kind="exception"
    ),
    error=lambda status, message: orjson.dumps({"message": message}),
    error_headers=lambda status: {
        "x-amzn-errortype": converse.ERROR_TYPES.get(status, "ValidationException")
    },
    id_headers=lambda response_id: {"x-amzn-requestid": response_id},
)

"""run.jsonl: one line of OTLP/JSON per span, appended whole and at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import orjson

from tokenprof.record import names
from tokenprof.record.otlp import (
    SPAN_KIND_CLIENT,
    STATUS_ERROR,
    STATUS_OK,
    Attribute,
    encode_attributes,
)


class RunWriter:
    """Appends spans to a run.jsonl; a line reaches the operating system before `write` returns.

    An existing recording is continued, with a run id of its own. Raises FileExistsError if the file holds
    something else, and OSError if it cannot be opened.
    """

    def __init__(self, path: Path, resource: Mapping[str, Attribute | None], version: str):
        self.path = path
        _refuse_foreign_file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._resource = {"attributes": encode_attributes(resource)}
        self._scope = {"name": names.SCOPE, "version": version}

    def write(
        self,
        *,
        name: str,
        trace_id: str,
        span_id: str,
        parent_span_id: str,
        started_ns: int,
        ended_ns: int,
        attributes: Mapping[str, Attribute | None],
        failed: bool = False,
    ) -> None:
        """Append one span. Times are nanoseconds since the epoch."""
        span = {
            "traceId": trace_id,
            "spanId": span_id,
            **({"parentSpanId": parent_span_id} if parent_span_id else {}),
            "name": name,
            "kind": SPAN_KIND_CLIENT,
            "startTimeUnixNano": str(started_ns),
            "endTimeUnixNano": str(ended_ns),
            "attributes": encode_attributes(attributes),
            "status": {"code": STATUS_ERROR if failed else STATUS_OK},
        }
        line = {
            "resourceSpans": [
                {"resource": self._resource, "scopeSpans": [{"scope": self._scope, "spans": [span]}]}
            ]
        }
        data = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _refuse_foreign_file(path: Path) -> None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    if data and b'"resourceSpans"' not in data[: data.find(b"\n") + 1 or None]:
        raise FileExistsError(
            f"{path} exists and is not a tokenprof recording; give another name to record to."
        )
    if data and not data.endswith(b"\n"):
        # A half line left by a killed process would make the file unreadable once another line follows it.
        os.truncate(path, data.rfind(b"\n") + 1)

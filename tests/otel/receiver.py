"""An OTLP/HTTP receiver on the loopback interface: decodes what an exporter sends, as any backend would."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Received:
    """A span as it arrived."""

    scope: str
    name: str
    trace: str
    id: str
    parent: str
    kind: int
    attributes: dict[str, Any]


class Receiver:
    """Takes exports at `url` while entered; `spans` are all that arrived."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        received = self.spans

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    data = gzip.decompress(data)
                is_json = self.headers.get("content-type", "").startswith("application/json")
                if is_json:
                    request = ParseDict(with_binary_ids(json.loads(data)), ExportTraceServiceRequest())
                else:
                    request = ExportTraceServiceRequest.FromString(data)
                received.extend(spans_of(request))
                answer = b"{}" if is_json else ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/json" if is_json else "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def with_binary_ids(line: dict[str, Any]) -> dict[str, Any]:
    """OTLP/JSON writes ids in hexadecimal where protobuf's own JSON has base64: the one difference."""
    for resource in line["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return line


def spans_of(request: ExportTraceServiceRequest) -> list[Received]:
    return [
        Received(
            scope.scope.name,
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.kind,
            {attribute.key: _value(attribute.value) for attribute in span.attributes},
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)

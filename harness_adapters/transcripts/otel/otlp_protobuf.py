"""OTLP protobuf files: the Collector's file exporter with `format: proto`, or one export request as sent.

The exporter puts the length (4 bytes, big-endian) before each message. The content is that of OTLP JSON and
is read the same way. Needs the `opentelemetry-proto` package, which every OTLP exporter installs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.harness_adapters.transcripts.otel.otlp_spans import run_of
from tokenprof.reading.log_bytes import read_whole

FORMAT = "OTLP protobuf"
SUFFIXES = (".pb", ".binpb", ".proto.bin", ".otlp")

_LENGTH = struct.Struct(">I")
_FIRST_FIELD = b"\x0a"
_MARKS = (b"service.name", b"telemetry.sdk", b"gen_ai.", b"llm.")


def recognises(first_lines: Sequence[Mapping[str, Any]]) -> bool:
    """Return False: JSON is never this format."""
    return False


def recognises_bytes(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a message of spans, with or without its length."""
    begins = head[:1] == _FIRST_FIELD or head[_LENGTH.size : _LENGTH.size + 1] == _FIRST_FIELD
    return begins and any(mark in head for mark in _MARKS)


def read(path: Path) -> Run:
    """Return a turn per billed response.

    Raises InputError if the file is damaged or the package is missing.
    """
    return run_of(_requests(path), path, FORMAT, [])


def _requests(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        from google.protobuf.json_format import MessageToDict
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    except ImportError as error:
        raise InputError(
            f"{path}: OTLP protobuf is read with the package opentelemetry-proto, which is not installed "
            f"({error}). Install it: pip install opentelemetry-proto"
        ) from None
    for number, data in enumerate(_messages(path), 1):
        try:
            yield number, MessageToDict(ExportTraceServiceRequest.FromString(data))
        except DecodeError as error:
            raise InputError(f"{path}: message {number} cannot be read ({error}).") from None


def _messages(path: Path) -> Iterator[bytes]:
    data = read_whole(path)
    if data[:1] == _FIRST_FIELD:
        yield data
        return
    at = 0
    while at + _LENGTH.size <= len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + size > len(data):
            raise InputError(f"{path}: the message at byte {at} is cut short; was the file copied whole?")
        yield data[at : at + size]
        at += size

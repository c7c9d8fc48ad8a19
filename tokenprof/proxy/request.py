"""One HTTP/1.1 request as a client sent it, read strictly and within bounds.

A request that two parsers could read differently is refused, not repaired: what the proxy takes for the end
of a request must be the end for the provider too, or a second request could hide in the body of the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BufferedIOBase

from tokenprof.data_classes.frozen import frozen

MOST_LINE_BYTES = 65_536
MOST_HEAD_BYTES = 262_144
MOST_HEADERS = 200
MOST_BODY_BYTES = 256 * 2**20
_PIECE_BYTES = 65_536
_BLANK_LINES_BEFORE = 4

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"\A(" + _TOKEN + rb") ([\x21\x22\x24-\x7e]+) HTTP/(\d\.\d)\r\n")
_HEADER = re.compile(rb"\A(" + _TOKEN + rb"):([^\r\n\0]*)\r\n")
_FRAMING = ("content-length", "transfer-encoding")
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n\0]*)?\r\n")


class RequestError(Exception):
    """A request that is not passed on: the status of the answer, and a sentence that quotes nothing of it."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class OverBudgetError(RequestError):
    """A model call that is refused because its owner's budget is spent."""

    def __init__(self, sentence: str):
        super().__init__(403, sentence)


@frozen
class ClientRequest:
    """The head of a request. `headers` keep their order, case and repetitions; values are Latin-1."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """Return the values of a header, whose name is given in lower case."""
        return [value for header, value in self.headers if header.lower() == name]

    def value(self, name: str) -> str:
        """Return the value of a header; several are joined as HTTP joins them, and none is empty."""
        return ", ".join(self.values(name))

    def by_lower_name(self) -> Mapping[str, str]:
        """Return the headers by their names in lower case; of repeated ones, the last."""
        return {name.lower(): value for name, value in self.headers}

    @property
    def is_http_1_1(self) -> bool:
        """Whether the client knows chunks, interim answers and connections that stay open."""
        return self.version == "1.1"

    @property
    def keeps_alive(self) -> bool:
        """Whether the client means to send another request on its connection."""
        options = {option.strip().lower() for option in self.value("connection").split(",")}
        return self.is_http_1_1 and "close" not in options


def read_request(stream: BufferedIOBase) -> ClientRequest | None:
    """Read the head of the next request; None if the client has closed its side.

    Raises RequestError for a head that is malformed, ambiguous or too long, and ConnectionError for one that
    is cut short.
    """
    line = b"\r\n"
    for _ in range(_BLANK_LINES_BEFORE):
        line = stream.readline(MOST_LINE_BYTES + 1)
        if line != b"\r\n":
            break
    if not line:
        return None
    if len(line) > MOST_LINE_BYTES:
        raise RequestError(414, f"The request line is longer than {MOST_LINE_BYTES:,} bytes.")
    parsed = _REQUEST_LINE.fullmatch(line)
    if parsed is None:
        raise RequestError(400, "The request line is not that of an HTTP/1.1 request.")
    method, target, version = (part.decode("ascii") for part in parsed.groups())
    if version not in ("1.0", "1.1"):
        raise RequestError(505, "The proxy speaks HTTP/1.1 only.")
    request = ClientRequest(method, target, version, _headers(stream))
    _require_plain_framing(request)
    return request


def _headers(stream: BufferedIOBase) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    total = 0
    while (line := stream.readline(MOST_LINE_BYTES + 1)) != b"\r\n":
        total += len(line)
        if total > MOST_HEAD_BYTES or len(line) > MOST_LINE_BYTES or len(found) == MOST_HEADERS:
            raise RequestError(
                431, f"The headers are more than {MOST_HEADERS} or longer than {MOST_HEAD_BYTES:,} bytes."
            )
        if not line:
            raise ConnectionError("the client went away in the middle of its headers")
        parsed = _HEADER.fullmatch(line)
        if parsed is None:
            raise RequestError(400, f"Header line {len(found) + 1} is malformed.")
        found.append((parsed[1].decode("ascii"), parsed[2].strip(b" \t").decode("latin-1")))
    return tuple(found)


def _require_plain_framing(request: ClientRequest) -> None:
    """Raise RequestError unless the length of the body can be read in one way only (RFC 9112, section 6)."""
    lengths, codings = request.values("content-length"), request.values("transfer-encoding")
    if lengths and codings:
        raise RequestError(400, "The request has both Content-Length and Transfer-Encoding; send one.")
    if any(name.lower().replace("_", "-") in _FRAMING and "_" in name for name, _ in request.headers):
        # Some servers read an underscore as a hyphen.
        raise RequestError(400, "The request states the length of its body under a misspelt name.")
    if len(lengths) > 1 or len(codings) > 1:
        raise RequestError(400, "The request states the length of its body twice.")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise RequestError(400, "The Content-Length of the request is not a number.")
    if lengths and int(lengths[0]) > MOST_BODY_BYTES:
        raise _too_large()
    if codings and (not request.is_http_1_1 or codings[0].lower() != "chunked"):
        raise RequestError(400, "The only Transfer-Encoding that the proxy reads is chunked, in HTTP/1.1.")


def _too_large() -> RequestError:
    return RequestError(
        413, f"The body is larger than {MOST_BODY_BYTES:,} bytes, the most that is passed on."
    )


def request_body(stream: BufferedIOBase, request: ClientRequest) -> bytes | None:
    """Read the body of a request; None if it has none.

    Raises ConnectionError if it is cut short, and RequestError if it is malformed or too large.
    """
    if request.values("transfer-encoding"):
        return _chunked_body(stream)
    lengths = request.values("content-length")
    if not lengths:
        return None
    return bytes(_exactly(stream, int(lengths[0])))


def _exactly(stream: BufferedIOBase, length: int) -> bytearray:
    # In pieces: one read would reserve all the memory that a client merely announces.
    found = bytearray()
    while len(found) < length:
        piece = stream.read(min(length - len(found), _PIECE_BYTES))
        if not piece:
            raise ConnectionError("the client went away in the middle of its request")
        found += piece
    return found


def _chunked_body(stream: BufferedIOBase) -> bytes:
    body = bytearray()
    while size := _chunk_size(stream):
        if len(body) + size > MOST_BODY_BYTES:
            raise _too_large()
        body += _exactly(stream, size)
        if _exactly(stream, 2) != b"\r\n":
            raise RequestError(400, "A chunk of the body does not end where it says.")
    # Trailers are about this connection, and are not passed on.
    _headers(stream)
    return bytes(body)


def _chunk_size(stream: BufferedIOBase) -> int:
    line = stream.readline(1024)
    if not line:
        raise ConnectionError("the client went away in the middle of its request")
    parsed = _CHUNK_SIZE.fullmatch(line)
    if parsed is None:
        raise RequestError(400, "The size of a chunk of the body is not a hexadecimal number.")
    return int(parsed[1], 16)

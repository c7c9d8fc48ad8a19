"""Request records of a Claude Code log: each is the first messages of another one, and its own."""

from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import LoggedPiece, PieceMaker
from tokenprof.harness_adapters.transcripts.claude_code.request_records import Requests
from tokenprof.record.block_facts import Shaper

SHAPER = Shaper(b"k" * 32)


def piece(text: str, kind: str = "user") -> LoggedPiece:
    block = SHAPER.block(kind, text, text, text=text)  # type: ignore[arg-type]
    return LoggedPiece("user", (block,), (0,))


PIECES = {name: piece(name) for name in "abcd"}


def requests_of(*records: dict) -> Requests:
    requests = Requests(PieceMaker(SHAPER), SHAPER)
    for name, known in PIECES.items():
        requests.note_message(name, known)
    for record in records:
        requests.add({"type": "api-request", "shapeHash": "s", "params": {}, **record}, 1)
    return requests


def names_of(requests: Requests, id_: str, tail: tuple[LoggedPiece, ...] = ()) -> list[str] | None:
    request = requests.get(id_)
    assert request is not None
    prompt = requests.prompt(request, tail)
    return None if prompt is None else [item.blocks[0].name for item in prompt.pieces]


FIRST = {"id": "1", "tail": ["a", "b"]}


def test_a_request_is_the_first_messages_of_its_base_and_its_own():
    requests = requests_of(FIRST, {"id": "2", "base": "1", "keep": 2, "tail": ["c"]})
    assert names_of(requests, "1") == ["a", "b"]
    assert names_of(requests, "2") == ["a", "b", "c"]


def test_a_request_that_goes_back_keeps_less_than_its_base():
    requests = requests_of(
        FIRST,
        {"id": "2", "base": "1", "keep": 1, "tail": ["c"]},
        {"id": "3", "base": "1", "keep": 2, "tail": ["d"]},
    )
    assert [names_of(requests, id_) for id_ in "123"] == [["a", "b"], ["a", "c"], ["a", "b", "d"]]


def test_a_request_whose_base_was_never_answered_is_found_all_the_same():
    requests = requests_of(FIRST, {"id": "2", "base": "1", "keep": 2, "tail": ["c"]})
    assert names_of(requests, "2") == ["a", "b", "c"]


def test_a_request_without_its_base_is_unknown():
    requests = requests_of(
        {"id": "2", "base": "gone", "keep": 1, "tail": ["c"]},
        {"id": "3", "base": "2", "keep": 1, "tail": ["d"]},
        FIRST,
        {"id": "4", "base": "1", "keep": 3, "tail": ["d"]},
    )
    assert [names_of(requests, id_) for id_ in "234"] == [None, None, None]


def test_what_the_rows_show_stands_in_for_hashes_without_a_match():
    requests = requests_of(FIRST, {"id": "2", "base": "1", "keep": 2, "tail": ["x"]})
    assert names_of(requests, "1") == ["a", "b"]
    assert names_of(requests, "2") is None
    assert names_of(requests, "2", (piece("stand-in"),)) == ["a", "b", "stand-in"]
    assert names_of(requests, "2", ()) == ["a", "b", "stand-in"]


def test_prompts_share_the_messages_that_they_have_in_common():
    tails = ["a", "b", "c", "d"]
    requests = requests_of(
        *(
            {"id": str(at), "base": str(at - 1) if at else None, "keep": at, "tail": [name]}
            for at, name in enumerate(tails)
        )
    )
    prompts = [requests.prompt(requests.get(str(at)), ()) for at in range(4)]  # type: ignore[arg-type]
    assert all(prompt is not None for prompt in prompts)
    # A list that all share, so that a run takes memory in proportion to what is new.
    assert len({id(prompt.pieces._items) for prompt in prompts if prompt is not None}) == 1


def test_loaded_tools_are_those_of_the_messages_that_are_kept():
    PIECES["t"] = piece("search", "tool")
    try:
        requests = requests_of(
            {"id": "1", "tail": ["a", "t"]},
            {"id": "2", "base": "1", "keep": 1, "tail": ["b"]},
            {"id": "3", "base": "1", "keep": 2, "tail": ["b"]},
        )
    finally:
        del PIECES["t"]
    found = [requests.prompt(requests.get(id_), ()) for id_ in "123"]  # type: ignore[arg-type]
    assert [sorted(prompt.loaded) for prompt in found if prompt is not None] == [["search"], [], ["search"]]

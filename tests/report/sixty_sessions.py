"""Sixty sessions of one agent over six days: one system prompt, three models, a slow one among them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tokenprof.facts.types import Block, Breakpoint, Features, Run, Source, Turn
from tokenprof.pricing.usage import Usage

SESSIONS, TURNS = 60, 6
SYSTEM_TOKENS, RESULT_TOKENS, CALL_TOKENS = 6000, 1500, 60
PAUSE = timedelta(minutes=7)
MODELS = ("claude-opus-4-8", "claude-opus-4-8", "claude-sonnet-4-6")
START = datetime(2026, 6, 1, 8, tzinfo=UTC)


def sixty_sessions() -> Run:
    """Return the run. Every third session pauses for longer than its cache lives."""
    turns = [turn for session in range(SESSIONS) for turn in _session(session)]
    placed = {(turn.context, turn.id): number for number, turn in enumerate(turns)}
    based = (
        replace(turn, base=None if turn.base is None else placed[turn.context, _id(turn.context, turn.base)])
        for turn in turns
    )
    return Run(tuple(based), sources=(Source("sessions/", "tokenprof", SESSIONS),))


def _session(session: int) -> list[Turn]:
    context = f"session {session:02}"
    at = START + timedelta(days=session // 10, minutes=40 * (session % 10) + session)
    found = []
    for turn in range(TURNS):
        pauses = session % 3 == 0 and turn == 3
        at += PAUSE if pauses else timedelta(seconds=20)
        carried = SYSTEM_TOKENS + turn * (RESULT_TOKENS + CALL_TOKENS)
        fresh = SYSTEM_TOKENS if not turn else RESULT_TOKENS + CALL_TOKENS
        read = 0 if pauses or not turn else carried - (RESULT_TOKENS + CALL_TOKENS)
        blocks = (
            (_block("system", "system prompt", "rules", SYSTEM_TOKENS, "system"),)
            if not turn
            else (
                _block("tool_call", "read_file", f"{context} call {turn}", CALL_TOKENS, "messages"),
                _block("tool_result", "read_file", f"{context} {turn}", RESULT_TOKENS, "messages"),
            )
        )
        found.append(
            Turn(
                id=_id(context, turn),
                context=context,
                provider="anthropic",
                requested_model=(model := MODELS[session % 3]),
                model=model,
                started_at=at,
                status="ok",
                usage=Usage(
                    cache_read_tokens=read,
                    cache_write_5m_tokens=carried if pauses else fresh,
                    output_tokens=CALL_TOKENS,
                ),
                added=blocks,
                base=turn - 1 if turn else None,
                kept=max(0, 2 * turn - 1),
                breakpoints=(Breakpoint(2 * turn, "5m"),),
            )
        )
    return found


def _id(context: str, turn: int) -> str:
    return f"{context} {turn}"


def _block(kind: str, name: str, digest: str, tokens: int, section: str) -> Block:
    length = 4 * tokens + sum(map(ord, digest)) % 97
    features = Features(version=1, bytes=length, chars=length, tokens={"o200k_base": tokens})
    return Block(
        kind=kind,  # type: ignore[arg-type]
        name=name,
        digest=digest,
        section=section,  # type: ignore[arg-type]
        role="user" if kind != "tool_call" else "assistant",
        opens_message=section == "messages",
        features=features,
    )

"""Profile your own agent: record the run, read the report.

python examples/own_client.py            # with ANTHROPIC_API_KEY: a real call; without: a loopback provider
"""

import contextlib
import os

import anthropic

import tokenprof
from tokenprof.testing import LoopbackProvider, Reply


def agent(client: anthropic.Anthropic) -> None:
    """Your own loop goes here; tokenprof asks nothing of it."""
    question = [{"role": "user", "content": "Name three uses of a paper clip."}]
    answer = client.messages.create(model="claude-opus-4-8", max_tokens=200, messages=question)
    print(answer.content[0].text)


def main(path: str = "run.jsonl") -> None:
    """Record one run of the agent to `path`."""
    with contextlib.ExitStack() as stack:
        client = anthropic.Anthropic() if os.environ.get("ANTHROPIC_API_KEY") else loopback_client(stack)
        stack.enter_context(tokenprof.profile(path, tags={"example": "own_client"}))
        agent(client)
    print(f"recorded; now: tokenprof report {path}")


def loopback_client(stack: contextlib.ExitStack) -> anthropic.Anthropic:
    """Return a client of a provider on this machine, for trying this without a key."""
    provider = LoopbackProvider([Reply.text("A bookmark, a zip pull, a lock pick.")])
    return anthropic.Anthropic(api_key="none", base_url=stack.enter_context(provider).url)


if __name__ == "__main__":
    main()

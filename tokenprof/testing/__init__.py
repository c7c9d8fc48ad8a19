"""Model providers on this machine, for tests and demos of agents. They need no key and no network.

    with LoopbackProvider([Reply.text("hello")]) as provider:
        client = anthropic.Anthropic(api_key="unused", base_url=provider.url)

It also answers Bedrock's Converse. `OpenAILoopback` does the same for OpenAI's APIs, and `Cassette` replays
the recorded replies of any provider.
"""

from tokenprof.testing.billing import Overheads
from tokenprof.testing.cassette import Cassette, CassetteMismatchError
from tokenprof.testing.openai_provider import OpenAILoopback
from tokenprof.testing.provider import LoopbackProvider, WireCall
from tokenprof.testing.replies import Reply

__all__ = [
    "Cassette",
    "CassetteMismatchError",
    "LoopbackProvider",
    "OpenAILoopback",
    "Overheads",
    "Reply",
    "WireCall",
]

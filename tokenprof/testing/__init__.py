"""A provider on this machine, for agents' tests and demos: no key, no network.

with LoopbackProvider([Reply.text("hello")]) as provider:
    client = anthropic.Anthropic(api_key="unused", base_url=provider.url)

It answers Bedrock's Converse, too. `OpenAILoopback` is the same for OpenAI's APIs.
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

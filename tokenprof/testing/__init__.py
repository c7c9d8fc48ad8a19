"""A provider on this machine, for agents' tests and demos: no key, no network.

with LoopbackProvider([Reply.text("hello")]) as provider:
    client = anthropic.Anthropic(api_key="unused", base_url=provider.url)
"""

from tokenprof.testing.billing import Overheads
from tokenprof.testing.cassette import Cassette, CassetteMismatchError
from tokenprof.testing.provider import LoopbackProvider, WireCall
from tokenprof.testing.replies import Reply

__all__ = ["Cassette", "CassetteMismatchError", "LoopbackProvider", "Overheads", "Reply", "WireCall"]

"""What simulating a prompt cache costs: a conversation that grows by four blocks a turn.

`python benchmarks/pricing_cache.py [TURNS]`
"""

import sys
import time

from tokenprof.pricing.cache.anthropic_cache import AnthropicCache
from tokenprof.pricing.cache.prompt_prefixes import CacheBlock


def main(turns: int) -> None:
    cache = AnthropicCache()
    prompt = [CacheBlock(f"prefix {number}", 500) for number in range(20)]
    began_s = time.perf_counter()
    read = written = 0
    for turn in range(turns):
        prompt += [CacheBlock(f"turn {turn} block {number}", 100) for number in range(4)]
        split = cache.call(prompt, [(19, "1h"), (len(prompt) - 1, "5m")], turn * 10.0, "claude-opus-4-8")
        read += split.read_tokens
        written += split.write_5m_tokens + split.write_1h_tokens
    took_s = time.perf_counter() - began_s
    print(f"{turns} turns, {len(prompt)} blocks at the end: {took_s:.2f} s")
    print(f"{took_s / turns * 1e6:.0f} µs a turn; read {read} tokens, written {written}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)

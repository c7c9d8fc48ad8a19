"""What the price book costs: loading it, and pricing a long run.

`python benchmarks/pricing_book.py [TURNS]`
"""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from tokenprof.pricing.book import Price, default_book
from tokenprof.pricing.rates import total
from tokenprof.pricing.usage import Usage

MODELS = (
    ("anthropic", "claude-opus-4-8"),
    ("anthropic", "claude-haiku-4-5-20251001"),
    ("openai", "gpt-6-sol"),
    ("deepseek", "deepseek-v4-pro"),
)
BEGIN = datetime(2026, 9, 22, tzinfo=UTC)


def main(turns: int) -> None:
    import_s = float(
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import time; began_s = time.perf_counter(); import tokenprof.pricing.book; "
                "print(time.perf_counter() - began_s)",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    began_s = time.perf_counter()
    book = default_book()
    book.price(*MODELS[0], BEGIN, Usage())
    load_s = time.perf_counter() - began_s

    began_s = time.perf_counter()
    billed = []
    for turn in range(turns):
        usage = Usage(
            uncached_input_tokens=turn % 977,
            cache_read_tokens=turn * 31 % 300_000,
            output_tokens=turn % 1_009,
        )
        price = book.price(*MODELS[turn % len(MODELS)], BEGIN + timedelta(minutes=turn * 8), usage)
        assert isinstance(price, Price)
        billed.append(total(price.amounts(usage).values()))
    priced_s = time.perf_counter() - began_s
    print(f"importing the book module: {import_s * 1000:.0f} ms (loads no price data)")
    print(f"first price (loads genai-prices and the overlays): {load_s * 1000:.0f} ms")
    print(f"{turns} turns over {turns * 8 // 1440} days, priced and summed exactly: {priced_s * 1000:.0f} ms")
    print(f"total: ${total(billed)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)

"""A price file of a user's own, with rates that a bill is easily worked out from."""

from decimal import Decimal

OWN_PRICES = """
[[price]]
provider = "anthropic"
model = "claude-opus-4-8"
source = "our contract"
checked = 2026-06-01

[price.usd_per_mtok]
uncached_input = 1000
cache_read = 1000
cache_write_5m = 1000
cache_write_1h = 1000
output = 1000
"""
"""Every token costs a tenth of a cent."""

OWN_BILL_USD = Decimal("17.653")
"""What the demo's 17,653 tokens (17,465 in, 188 out) are billed at these rates."""

"""What each turn was billed, what it cost to compute, and what the cache did."""

"""What is billed: usage, the price book, cache rules, and the chain from tokens to the application.

Stands alone: imports nothing of ours, and loads no price data until a price is asked for.
"""

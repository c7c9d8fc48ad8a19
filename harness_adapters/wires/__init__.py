"""Turns the bytes of a provider's API into a `Call`, with one module or a few per API."""

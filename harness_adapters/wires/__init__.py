"""Bytes of a provider's API into a `Call`, one file per API."""

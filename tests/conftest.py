"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# No test asserts a time: the first example of a test may load vocabularies, and machines are shared.
settings.register_profile("tokenprof", deadline=None)
settings.load_profile("tokenprof")

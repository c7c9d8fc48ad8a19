"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# No test writes into the user's cache folder.
os.environ["TOKENPROF_CACHE"] = "off"

# No test asserts a time: the first example of a test may load vocabularies, and machines are shared.
settings.register_profile("tokenprof", deadline=None)
settings.load_profile("tokenprof")

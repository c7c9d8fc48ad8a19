"""Where a billed dollar goes: list price pushed down to GPU-hours, chips and power."""

"""Recording: from a call on the wire to a line of run.jsonl, off the caller's thread."""

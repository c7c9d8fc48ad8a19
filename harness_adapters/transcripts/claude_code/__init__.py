"""What Claude Code writes: its session logs, and the output of a run."""

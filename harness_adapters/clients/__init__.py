"""Libraries whose model calls are seen in the host's process, one file per library."""

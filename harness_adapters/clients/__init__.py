"""Observes the model calls of libraries in the host's process, with one file per library."""

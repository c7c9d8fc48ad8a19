"""Reads the logs of other programs into a `Run`, one file per format."""

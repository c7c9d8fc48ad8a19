"""Logs of other programs into a `Run`, one file per format."""

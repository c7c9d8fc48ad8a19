"""Reads files of any known format into one `Run`."""

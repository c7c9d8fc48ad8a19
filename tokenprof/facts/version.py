"""The version of tokenprof, apart from the package itself so that any room can state it."""

__version__ = "0.1.0"

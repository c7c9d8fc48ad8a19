"""The published rules of prompt caching, as data and as simulators."""

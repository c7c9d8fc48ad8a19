"""Data classes as the standard library has them, made quickly, and checked against their types."""

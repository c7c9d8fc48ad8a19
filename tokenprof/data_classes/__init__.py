"""Data classes as the standard library has them, made for a fraction of the time."""

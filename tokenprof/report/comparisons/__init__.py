"""Comparisons, what-ifs and suggestions, drawn for a terminal."""

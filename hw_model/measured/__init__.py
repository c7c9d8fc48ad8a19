"""Measured serving points, and how far predictions are from them."""

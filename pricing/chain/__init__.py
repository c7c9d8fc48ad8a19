"""Layers L2 to L4 of the value chain: GPU-hours, tokens, applications."""

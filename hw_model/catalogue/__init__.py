"""Model shapes and chips by name, every figure with its source."""

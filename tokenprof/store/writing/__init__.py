"""Files of a store: written whole or not at all, by one writer at a time."""

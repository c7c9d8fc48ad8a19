"""What secrets look like, and texts and JSON with their secrets masked."""

"""The page: one HTML file that opens from disk, with its data, its styles and its scripts inside."""

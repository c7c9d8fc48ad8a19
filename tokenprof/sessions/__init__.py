"""Many sessions analysed one at a time and added up, so that memory does not grow with their number."""

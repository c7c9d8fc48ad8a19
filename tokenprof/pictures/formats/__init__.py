"""What an analysis can be drawn as, one file a format: each has `SUFFIX` and `render_analysis`."""

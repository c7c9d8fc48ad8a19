"""What a report can be written as, one file a format: each has `SUFFIX` and `render`."""

"""A run in the file formats of other people's viewers: flame graphs, traces, Markdown."""

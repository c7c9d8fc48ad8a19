"""What `tokenprof run` puts on the path of a Python command: a `sitecustomize` that runs as it starts."""

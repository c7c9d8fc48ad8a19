"""What tokenprof knows of the world outside: wires, client libraries, transcripts, frameworks.

Nothing in `tokenprof` imports this room but by name, so a new harness is one new file in one of its folders.
"""

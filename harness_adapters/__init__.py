"""What tokenprof knows about the world outside: wires, client libraries, transcripts, frameworks.

`tokenprof` finds these modules only by name, so a new harness is one new file in one of the folders.
"""

"""The facts that flow through the profiler: blocks, turns, runs, and what a user can get wrong."""

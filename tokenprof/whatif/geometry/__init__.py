"""A recorded run as sizes, places and times, which levers can change and caches can replay."""

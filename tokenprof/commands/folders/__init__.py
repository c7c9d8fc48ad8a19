"""Folders of many sessions, reported and totalled without holding all of them in memory."""

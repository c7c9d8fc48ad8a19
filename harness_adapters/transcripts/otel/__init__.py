"""OTLP files that other instrumentations wrote."""

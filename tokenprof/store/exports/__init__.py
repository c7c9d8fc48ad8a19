"""What other tools read: CSV, Parquet, FOCUS, Prometheus."""

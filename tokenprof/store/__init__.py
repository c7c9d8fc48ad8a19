"""Many runs in one place: Parquet files that grow with the logs, and questions to them (docs/store.md)."""

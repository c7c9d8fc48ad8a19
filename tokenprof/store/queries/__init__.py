"""What is asked of a store: prices applied to recorded facts, totals by any dimension, SQL."""

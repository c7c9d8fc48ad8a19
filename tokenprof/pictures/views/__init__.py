"""What each picture shows, as typed columns: taken from an analysis once, drawn by several renderers."""

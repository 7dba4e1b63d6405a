"""A snapshot becomes typed rows (steps 03 to 05). Imports ingest and below."""

"""Staged rows become history (step 06). Imports staging, ingest and below."""

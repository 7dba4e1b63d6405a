"""A file becomes a snapshot (step 02). Imports runner, warehouse and below."""

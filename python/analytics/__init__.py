"""The history becomes a star schema (step 08). Imports runner, warehouse and below."""

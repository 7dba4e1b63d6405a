"""The history is checked (step 07). Imports runner, warehouse and below."""

"""What readers get (step 09). Imports runner, warehouse and below."""

"""The database: open it, quote for it, run SQL in it. Imports config and errors."""

"""What every step runs inside: lock, log, one transaction. Imports warehouse and below."""

"""Alerts, cron and `make status`. Imports runner, warehouse and below."""

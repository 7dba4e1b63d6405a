"""The warehouse on Spark, Snowflake or BigQuery, and the move there. Imports runner and below."""

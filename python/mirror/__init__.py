"""The published tables where others keep theirs (step 12). Imports publish, runner and below."""

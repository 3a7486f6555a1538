"""Raw shards to the cleaned corpus: signals, verdicts, dedup, write."""

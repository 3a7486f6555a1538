"""Taking a repository down: out of the raw shards, the sidecars, the near index, the corpus."""

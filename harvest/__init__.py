"""Ask GitHub for repositories and write what they hold as raw shards."""

"""The cleaned corpus: split, shuffled, in shards, with its manifest."""

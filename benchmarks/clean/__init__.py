"""`python -m benchmarks.clean`: the claims about cleaning, beside the peers in the same run."""

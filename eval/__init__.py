"""A checkpoint to a scored row: problems, sampler, sandbox, pass@k, leaderboard."""

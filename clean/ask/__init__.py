"""Questions about a run: why a file went, what a rule took, what another recipe would do."""

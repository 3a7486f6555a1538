"""The peers' sides of the benchmarks: scripts for their own environment, which import no house."""

"""Kernels that numba compiles: what is counted and hashed of every byte of every file."""

"""Signals: what is measured of every file, once; one module a stage."""

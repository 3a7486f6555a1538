"""Duplicates: exact and near, found once, elected anew whenever a rule changes."""

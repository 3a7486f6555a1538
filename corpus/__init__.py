"""The contract between the stages: documents, shards, sidecars, manifests, recipes, engines.

Stages import this package and never each other; they meet through files on disk.
"""

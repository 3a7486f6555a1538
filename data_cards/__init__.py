"""Manifests to cards that people read: dataset card, model card, report."""

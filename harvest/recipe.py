"""What a recipe can tell this stage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestRecipe:
    """See the fields; every default is complete."""

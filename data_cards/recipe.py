"""What a recipe can tell the cards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CardsRecipe:
    """Words that no manifest holds."""

    dataset_title: str = "Python from GitHub, cleaned"
    model_title: str = "PyCodeGPT"
    dataset_license: str = "other"  # the files keep their own licences
    model_license: str = "apache-2.0"
    contact: str | None = None  # where to ask for a takedown

"""The whole recipe: one table a stage, each table declared by the stage itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from clean.recipe import CleanRecipe
from data_cards.recipe import CardsRecipe
from eval.recipe import EvalRecipe
from harvest.recipe import HarvestRecipe
from train.recipe import TrainRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a run does. Defaults follow PyCodeGPT wherever it published a value."""

    name: str = "run"
    seed: int = 1  # every random choice of every stage derives from it
    run: Path = Path("runs/run")  # the run's folder
    harvest: HarvestRecipe = field(default_factory=HarvestRecipe)
    clean: CleanRecipe = field(default_factory=CleanRecipe)
    train: TrainRecipe = field(default_factory=TrainRecipe)
    eval: EvalRecipe = field(default_factory=EvalRecipe)
    cards: CardsRecipe = field(default_factory=CardsRecipe)

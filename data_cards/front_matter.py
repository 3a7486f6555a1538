"""The YAML that Hugging Face reads at the top of a card, by its own library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from huggingface_hub import DatasetCardData, EvalResult, ModelCardData

from data_cards.recipe import CardsRecipe

# The classes that the hub knows, by the least number of documents above each.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)


def dataset_front_matter(recipe: CardsRecipe, splits: Mapping[str, Mapping[str, int]]) -> str:
    """Front matter of the dataset card; only splits that hold documents are configured."""
    documents = sum(split["documents"] for split in splits.values())
    files = [
        {"split": name, "path": f"{name}/*.parquet"}
        for name, split in splits.items()
        if split["documents"]
    ]
    data = DatasetCardData(
        pretty_name=recipe.dataset_title,
        license=recipe.dataset_license,
        language=["code"],
        task_categories=["text-generation"],
        size_categories=[size_category(documents)],
        tags=["code", "python"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    return f"{data.to_yaml()}\n"


def model_front_matter(
    recipe: CardsRecipe, suite: str | None, scores: Sequence[tuple[int, float]]
) -> str:
    """Front matter of the model card; `scores` are (k, fraction of problems solved)."""
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type="openai_humaneval" if suite == "HumanEval" else str(suite),
            dataset_name=str(suite),
            metric_type="pass@k",
            metric_name=f"pass@{k}",
            metric_value=round(value, 6),
        )
        for k, value in scores
    ]
    data = ModelCardData(
        license=recipe.model_license,
        language=["code"],
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["code", "python", "gpt_neo"],
        model_name=recipe.model_title,
        eval_results=results or None,
    )
    return f"{data.to_yaml()}\n"


def size_category(documents: int) -> str:
    """The hub's size class of a dataset."""
    return next((name for limit, name in _SIZES if documents < limit), "100M<n<1B")

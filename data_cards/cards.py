"""Write the cards of a run: dataset card, model card, report, and their pictures.

Everything that stands on a card is read from manifests, so cards can be made again at any time.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpus.events import Notice, Report, silent
from corpus.files import named_errors, remove_leftovers, write_text
from corpus.layout import RunFolder
from corpus.manifest import Manifest, file_entry, write_manifest
from data_cards.facts import RunFacts, gather
from data_cards.front_matter import dataset_front_matter, model_front_matter
from data_cards.plots import draw_curve, draw_funnel, draw_scores
from data_cards.recipe import CardsRecipe
from data_cards.render import environment, megabytes
from data_cards.scores import Scores, read_scores

STAGE = "cards"


def write_cards(
    recipe: CardsRecipe, folder: RunFolder, *, name: str, seed: int, report: Report = silent
) -> Manifest:
    """Write all cards that the run's manifests allow; the manifest of the cards folder.

    Raises ManifestError naming the manifest that is missing or damaged.
    """
    facts = gather(folder)
    scores = read_scores(facts.eval, folder.eval) if facts.eval else None
    with named_errors(folder.cards):
        remove_leftovers(folder.cards)
    pictures = _draw(folder.cards, facts, scores)
    values = _values(recipe, facts, scores, seed)
    written = [_write(folder.cards / "dataset_card.md", "dataset_card.md.j2", values)]
    if facts.train is None:
        report(Notice("no trained model yet: no model card"))
    else:
        written.append(_write(folder.cards / "model_card.md", "model_card.md.j2", values))
    report_values = {**values, "title": name, "images": _inline(pictures)}
    written.append(_write(folder.cards / "report.html", "report.html.j2", report_values))
    outputs = tuple(file_entry(path, folder.cards) for path in [*written, *pictures.values()])
    manifest = Manifest(stage=STAGE, parameters={"name": name, "seed": seed}, outputs=outputs)
    write_manifest(folder.cards, manifest)
    return manifest


def _draw(folder: Path, facts: RunFacts, scores: Scores | None) -> dict[str, Path]:
    """The pictures that there is something to draw for, by name."""
    pictures = {"funnel": folder / "funnel.png"}
    draw_funnel(pictures["funnel"], facts.funnel)
    if facts.curve:
        pictures["loss"] = folder / "loss.png"
        draw_curve(pictures["loss"], facts.curve)
    if scores and scores.beside:
        pictures["scores"] = folder / "scores.png"
        draw_scores(pictures["scores"], scores.plot_k, scores.beside)
    return pictures


def _inline(pictures: Mapping[str, Path]) -> dict[str, str | None]:
    """The pictures as base64, for a report that is one file; None for what is not there."""
    names = ("funnel", "loss", "scores")
    found = {n: base64.b64encode(p.read_bytes()).decode() for n, p in pictures.items()}
    return {name: found.get(name) for name in names}


def _write(path: Path, template: str, values: Mapping[str, Any]) -> Path:
    write_text(path, environment().get_template(template).render(values))
    return path


def _values(
    recipe: CardsRecipe, facts: RunFacts, scores: Scores | None, seed: int
) -> dict[str, Any]:
    splits = facts.splits
    documents = sum(split["documents"] for split in splits.values())
    size = sum(split["bytes"] for split in splits.values())
    repositories = sum(split["repositories"] for split in splits.values())
    common = {
        "recipe": recipe,
        "seed": seed,
        "funnel": facts.funnel,
        "splits": splits,
        "licenses": facts.licenses,
        "redactions": facts.redactions,
        "clean_files": documents,
        "clean_bytes": size,
        "repositories": repositories,
        "source": facts.source,
        "clean_parameters": _json(facts.clean.parameters),
        "scores": scores,
        "samples": facts.samples,
        "tiles": [
            (f"{repositories:,}", "repositories"),
            (f"{documents:,}", "cleaned files"),
            (megabytes(size), "of cleaned code"),
            *_score_tiles(facts, scores),
        ],
    }
    front = dataset_front_matter(recipe, splits)
    if facts.train is None:
        return {**common, "front_matter": front}
    return {
        **common,
        "front_matter": front,
        "model_front_matter": _model_front_matter(recipe, scores),
        "train": facts.train,
        "shape": facts.train.facts["shape"],
        "train_parameters": _json(facts.train.parameters),
    }


def _model_front_matter(recipe: CardsRecipe, scores: Scores | None) -> str:
    rows = [(row.k, row.percent / 100) for row in scores.rows] if scores else []
    return model_front_matter(recipe, scores.suite if scores else None, rows)


def _score_tiles(facts: RunFacts, scores: Scores | None) -> list[tuple[str, str]]:
    tiles = []
    if facts.train:
        tiles.append((f"{facts.train.facts['parameters']:,}", "parameters"))
        for split, score in facts.train.facts["held_out"].items():
            tiles.append((f"{score['bits_per_byte']:.3f}", f"bits per byte, {split}"))
    if scores:
        tiles += [(f"{row.percent:.2f}%", f"{scores.suite} pass@{row.k}") for row in scores.rows]
    return tiles


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)

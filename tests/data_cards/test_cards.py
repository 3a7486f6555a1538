from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpus.errors import ManifestError
from corpus.events import Event, Notice
from corpus.layout import RunFolder
from corpus.manifest import Manifest, read_manifest, write_manifest
from data_cards.cards import write_cards
from data_cards.recipe import CardsRecipe

PNG = b"\x89PNG\r\n"


def front_matter(card: Path) -> dict[str, Any]:
    text = card.read_text()
    assert text.startswith("---\n")
    loaded: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return loaded


def write(folder: RunFolder, **words: Any) -> Manifest:
    return write_cards(CardsRecipe(**words), folder, name="demo", seed=1)


def test_the_dataset_card_tells_what_the_manifests_hold(scored: RunFolder) -> None:
    write(scored, contact="data@example.org")
    card = scored.cards / "dataset_card.md"
    data = front_matter(card)
    assert data["license"] == "other"
    assert data["size_categories"] == ["n<1K"]
    files = data["configs"][0]["data_files"]
    assert [f["split"] for f in files] == ["train", "validation"], "an empty split has no files"
    text = card.read_text()
    for fact in (
        "| min_code_lines | at least 5 | 80 | 4.9 MB | 80.0% |",
        "| train | 50 | 3.5 MB | 8 |",
        "| MIT | 40 |",
        "over all files: email 12, npm token 1.",
        "| min stars | 5 |",
        "done 9, gone 1",
        "data@example.org",
    ):
        assert fact in text
    assert "max stars" not in text, "what is off is not told"


def test_the_model_card_tells_training_and_score(scored: RunFolder) -> None:
    write(scored)
    card = scored.cards / "model_card.md"
    data = front_matter(card)
    assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "text-generation")
    (result,) = data["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == 0.0125
    assert result["dataset"]["type"] == "openai_humaneval"
    text = card.read_text()
    for fact in (
        "2,000,000 parameters",
        "1 min 15 s on CPU",
        "1.700 bits per byte",
        "0.00 to 3.00",
    ):
        assert fact in text


def test_the_report_is_one_file_and_escapes_what_a_model_wrote(scored: RunFolder) -> None:
    write(scored)
    page = (scored.cards / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "&lt;b&gt;1&lt;/b&gt;" in page
    assert "<b>1</b>" not in page


def test_every_output_is_in_the_manifest_and_equal_when_made_again(scored: RunFolder) -> None:
    first = write(scored)
    assert {e.path for e in first.outputs} == {
        "dataset_card.md", "model_card.md", "report.html", "funnel.png", "loss.png", "scores.png",
    }  # fmt: skip
    left = scored.cards / "report.html.123.aside"  # by a run that was killed
    left.touch()
    assert write(scored) == first == read_manifest(scored.cards, "cards")
    for name in ("funnel.png", "loss.png", "scores.png"):
        assert (scored.cards / name).read_bytes().startswith(PNG)
    assert not left.exists()


def test_without_a_model_there_is_a_dataset_card_and_a_word_about_it(cleaned: RunFolder) -> None:
    told: list[Event] = []
    write_cards(CardsRecipe(), cleaned, name="demo", seed=1, report=told.append)
    assert not (cleaned.cards / "model_card.md").exists()
    assert (cleaned.cards / "dataset_card.md").exists()
    assert [e.text for e in told if isinstance(e, Notice)] == [
        "no trained model yet: no model card"
    ]


def test_what_is_missing_is_named(tmp_path: Path, scored: RunFolder) -> None:
    with pytest.raises(ManifestError, match="the harvest stage has not finished"):
        write(RunFolder(tmp_path / "empty"))
    (scored.eval / "leaderboard.json").unlink()
    with pytest.raises(ManifestError, match=r"leaderboard\.json: can't be read"):
        write(scored)


def test_a_manifest_of_an_older_version_is_named(cleaned: RunFolder) -> None:
    write_manifest(cleaned.clean, Manifest(stage="clean", parameters={}))
    with pytest.raises(ManifestError, match=r"clean/manifest\.json: holds no '\w+'; run the clean"):
        write(cleaned)


def test_the_dataset_card_is_silent_about_redaction_where_there_was_none(
    cleaned: RunFolder,
) -> None:
    manifest = read_manifest(cleaned.clean)
    facts = {name: value for name, value in manifest.facts.items() if name != "redactions"}
    write_manifest(cleaned.clean, replace(manifest, facts=facts))
    write(cleaned)
    text = (cleaned.cards / "dataset_card.md").read_text()
    assert "redacted" not in text
    assert "\n\n## Taking something out\n" in text

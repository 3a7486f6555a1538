import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from corpus.errors import FileError, TokensError
from corpus.layout import RunFolder
from train.account import STAGE
from train.checkpoint import MODEL, model_tensors, write_tensors
from train.export import export_model
from train.model import GPTNeo, Shape, build_model


def export(run: RunFolder, folder: Path, layers: int = 3) -> GPTNeo:
    shape = Shape(vocab_size=400, context=32, layers=layers, width=24, heads=3, window=6)
    model = build_model(shape, 1, torch.device("cpu"))
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(weight.numel()))
    folder.mkdir(exist_ok=True)
    write_tensors(folder / "weights", model_tensors(model))
    export_model(folder / "weights", shape, run.tokenizer, folder / "model")
    return model


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_transformers_loads_it_with_equal_logits(tiny_run, tmp_path, monkeypatch, layers) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ours = export(tiny_run, tmp_path / "x", layers)
    folder = tmp_path / "x" / "model"
    theirs, loading = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True
    )
    assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys"))
    assert type(theirs).__name__ == "GPTNeoForCausalLM"
    assert theirs.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "def window(self, row):\n    return self.row[row] if row > 7 else None\n" * 2
    ids = tokenizer(text, return_tensors="pt")["input_ids"][:, :32]
    assert ids.shape == (1, 32)  # longer than the window, so that local layers differ
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    with torch.no_grad():
        torch.testing.assert_close(ours(ids), theirs(ids).logits, rtol=2e-4, atol=2e-4)


def test_transformers_can_generate_from_it(tiny_run: RunFolder, tmp_path: Path) -> None:
    ours = export(tiny_run, tmp_path / "x")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "x" / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "x" / "model")
    assert theirs.generation_config.eos_token_id == tokenizer.eos_token_id
    assert theirs.generation_config.bos_token_id == tokenizer.bos_token_id
    ids = tokenizer("def row", return_tensors="pt")["input_ids"]
    generated = theirs.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=None)
    with torch.no_grad():
        for place in range(ids.shape[1], generated.shape[1]):
            assert ours(generated[:, :place])[0, -1].argmax() == generated[0, place]


def test_the_file_holds_no_head_and_says_pytorch(tiny_run: RunFolder, tmp_path: Path) -> None:
    export(tiny_run, tmp_path / "x")
    raw = (tmp_path / "x" / "model" / MODEL).read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert header.pop("__metadata__") == {"format": "pt"}
    assert all(name.startswith("transformer.") for name in header)


def test_the_old_manifest_goes_before_anything_changes(tiny_run, tmp_path: Path) -> None:
    export(tiny_run, tmp_path / "x")
    folder = tmp_path / "x" / "model"
    (folder / "manifest.json").write_text(f'{{"stage": "{STAGE}"}}')
    shape = Shape(vocab_size=400, context=32, layers=3, width=24, heads=3, window=6)
    with pytest.raises(FileError, match=MODEL):
        export_model(tmp_path / "missing", shape, tiny_run.tokenizer, folder)
    assert not (folder / "manifest.json").exists()


def test_what_a_killed_export_left_aside_goes(tiny_run: RunFolder, tmp_path: Path) -> None:
    left = tmp_path / "x" / "model" / f"{MODEL}.123.aside"
    left.parent.mkdir(parents=True)
    left.touch()
    export(tiny_run, tmp_path / "x")
    assert not left.exists()


def test_a_folder_without_tokenizer_is_refused(tiny_run: RunFolder, tmp_path: Path) -> None:
    shape = Shape(vocab_size=400, context=32, layers=1, width=24, heads=3, window=6)
    with pytest.raises(TokensError, match=r"nowhere/tokenizer\.json"):
        export_model(tmp_path / "weights", shape, tmp_path / "nowhere", tmp_path / "model")
    assert not (tmp_path / "model").exists()

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from corpus.errors import CheckpointError, EvalError
from eval.model import load_model, model_digest, pick_device


@pytest.fixture
def copied(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "model")


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def change_weights(folder, change):
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def test_a_model_is_loaded_with_what_sampling_needs(model):
    assert (model.context, model.device, model.bos_id) == (64, "cpu", 0)
    assert model.forward_options == {"position_ids", "logits_to_keep"}
    assert model.parameters == sum(p.numel() for p in model.network.parameters())


@pytest.mark.parametrize(
    "damage, complaint",
    [
        (lambda f: shutil.rmtree(f), "no such model folder"),
        (lambda f: (f / "config.json").unlink(), "no model: there is no config.json"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer in this folder"),
        (lambda f: (f / "tokenizer.json").write_text("{"), "its tokenizer can't be loaded"),
        (lambda f: (f / "model.safetensors").unlink(), "can't be loaded as a causal"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "can't be loaded as a causal"),
        (lambda f: change_config(f, model_type="hal9000"), "can't be loaded as a causal.*hal9000"),
        (lambda f: change_config(f, model_type="t5"), "can't be loaded as a causal"),
        (lambda f: change_config(f, vocab_size=100), "can't be loaded|another shape"),
        (
            lambda f: change_weights(f, lambda w: w.pop("transformer.h.1.ln_1.weight")),
            r"missing or of another shape: transformer.h.1.ln_1.weight \(1 in all\)",
        ),
        (
            lambda f: change_weights(f, lambda w: w["transformer.ln_f.bias"].fill_(float("nan"))),
            "transformer.ln_f.bias holds NaN",
        ),
    ],
)
def test_a_model_that_cant_be_used_is_one_clear_error(copied, damage, complaint):
    damage(copied)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        load_model(copied)
    assert str(caught.value).startswith(f"{copied}: ")
    assert "\n" not in str(caught.value)


def test_a_tokenizer_of_another_model_is_refused(copied):
    path = copied / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary.update({f"extra{i}": len(vocabulary) + i for i in range(50)})
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointError, match="don't belong together"):
        load_model(copied)


def test_the_digest_follows_what_answers_depend_on_and_nothing_else(copied):
    before = model_digest(copied)
    (copied / "manifest.json").write_text("{}")
    (copied / "README.md").write_text("hello")
    assert model_digest(copied) == before
    change_weights(copied, lambda w: w["transformer.ln_f.bias"].add_(1))
    assert model_digest(copied) != before


def test_a_gpu_that_is_not_there_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert pick_device("auto") == "cpu"
    with pytest.raises(EvalError, match="no GPU here"):
        pick_device("cuda")

"""GPT-Neo, with the state-dict names of transformers' `GPTNeoForCausalLM`.

What sets it apart from GPT-2: layers alternate between global attention and local attention over
the last `window` positions, scores are not divided by sqrt(head size), and q, k, v carry no bias.
Source: EleutherAI's GPT-Neo (doi:10.5281/zenodo.5297715) as transformers' `gpt_neo` reads it.

Shapes: B sequences of T tokens, C channels, H heads of D = C / H channels, V words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INIT_STD = 0.02
LAYER_NORM_EPS = 1e-5
IGNORED = -100  # a target that is not scored
_EVAL_ROWS = 8192  # logits held at once while scoring: 1 GiB in fp32 at V = 32K


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Everything that fixes the names and sizes of the weights."""

    vocab_size: int
    context: int
    layers: int
    width: int
    heads: int
    window: int

    def attention(self) -> tuple[str, ...]:
        """Each layer's kind: global first, then in turn."""
        return tuple("local" if layer % 2 else "global" for layer in range(self.layers))


class GPTNeo(nn.Module):
    """Tokens to logits. The output head is the token embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.transformer = Transformer(shape)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) of tokens (B, T)."""
        return F.linear(self.transformer(tokens), self.transformer.wte.weight)

    def loss_sum(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Summed loss in nats over the scored targets (B, T); `IGNORED` ones are left out."""
        hidden = self.transformer(tokens).flatten(0, 1)  # (B*T, C)
        # Without gradients nothing outlives a chunk; with them the micro-batch bounds the memory.
        rows = len(hidden) if torch.is_grad_enabled() else _EVAL_ROWS
        chunks = zip(hidden.split(rows), targets.flatten().split(rows), strict=True)
        return torch.stack([self._nats(h, t) for h, t in chunks]).sum()

    def _nats(self, hidden: Tensor, targets: Tensor) -> Tensor:
        logits = F.linear(hidden, self.transformer.wte.weight).float()
        return F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")

    def initialise(self, seed: int, embedding_std: float = INIT_STD) -> None:
        """GPT-Neo's initial weights: normal(0, 0.02), biases 0, norms the identity.

        A tied embedding is pushed one way by all the words that do not come next. In a narrow
        model this drowns small first values, and nothing but word counts is learned for long:
        150 steps of a 128-wide model ended at 6.6 nats with 0.02 and at 6.0 with 0.05.
        """
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if weight.ndim == 2:
                    # Drawn on the CPU, so that every device starts from the same weights.
                    weight.copy_(
                        torch.empty(weight.shape).normal_(0, INIT_STD, generator=generator)
                    )
                elif name.endswith("bias"):
                    weight.zero_()
                else:
                    weight.fill_(1.0)
            self.transformer.wte.weight.mul_(embedding_std / INIT_STD)


class Transformer(nn.Module):
    """Embeddings, blocks and the last norm: (B, T) tokens to (B, T, C)."""

    near: Tensor  # (context, context) bool: what local layers see

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.wte = nn.Embedding(shape.vocab_size, shape.width)
        self.wpe = nn.Embedding(shape.context, shape.width)
        self.h = nn.ModuleList(Block(shape, kind) for kind in shape.attention())
        self.ln_f = nn.LayerNorm(shape.width, eps=LAYER_NORM_EPS)
        # Not part of the state: every reader can make it again.
        self.register_buffer("near", window_mask(shape.context, shape.window), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        positions = torch.arange(length, device=tokens.device)
        x = self.wte(tokens) + self.wpe(positions)  # (B, T, C)
        for block in self.h:
            x = block(x, self.near[:length, :length])
        return self.ln_f(x)


class Block(nn.Module):
    """Attention and MLP, each behind its norm and beside its residual."""

    def __init__(self, shape: Shape, kind: str) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(shape.width, eps=LAYER_NORM_EPS)
        self.attn = AttentionLayer(shape, kind)
        self.ln_2 = nn.LayerNorm(shape.width, eps=LAYER_NORM_EPS)
        self.mlp = MLP(shape)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x), near)
        return x + self.mlp(self.ln_2(x))


class AttentionLayer(nn.Module):
    """Only a name: transformers puts `attention.` before each attention weight."""

    def __init__(self, shape: Shape, kind: str) -> None:
        super().__init__()
        self.attention = Attention(shape, kind)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        return self.attention(x, near)


class Attention(nn.Module):
    """Causal attention over all earlier positions, or over the nearest `window` of them."""

    def __init__(self, shape: Shape, kind: str) -> None:
        super().__init__()
        self.heads = shape.heads
        self.window = shape.window if kind == "local" else shape.context
        self.k_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.q_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.out_proj = nn.Linear(shape.width, shape.width)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        q, k, v = (self._split(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        # A window that reaches past the start masks nothing: the causal kernel is faster.
        mask = near if x.shape[1] > self.window else None
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=1.0
        )  # (B, H, T, D)
        return self.out_proj(y.transpose(1, 2).flatten(2))  # (B, T, C)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, H, T, D)


class MLP(nn.Module):
    """Four times as wide inside, with GELU by its tanh form (`gelu_new`)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.c_fc = nn.Linear(shape.width, 4 * shape.width)
        self.c_proj = nn.Linear(4 * shape.width, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


def window_mask(length: int, window: int) -> Tensor:
    """True where row i may look at column j, (length, length): 0 <= i - j < window."""
    seen = torch.ones(length, length, dtype=torch.bool).tril()
    return seen & ~seen.tril(-window)


def build_model(
    shape: Shape, seed: int, device: torch.device, embedding_std: float = INIT_STD
) -> GPTNeo:
    """A model with fresh weights; the same seed gives the same ones on any device."""
    with torch.device("meta"):
        model = GPTNeo(shape)
    model.to_empty(device=device)
    model.transformer.near.copy_(window_mask(shape.context, shape.window))
    model.initialise(seed, embedding_std)
    return model


def parameter_count(model: nn.Module) -> int:
    """Trained numbers; the tied head counts once."""
    return sum(weight.numel() for weight in model.parameters())

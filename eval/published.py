"""HumanEval as others published it, in percent: the rows that ours stands beside."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """A model's pass@1, pass@10 and pass@100, and where they come from."""

    model: str
    millions: float | None  # of parameters; None: not published
    at_1: float
    at_10: float
    at_100: float
    source: str


# CERT (arXiv:2206.06888) has 8.33/13.36/19.13 for the same model.
_PYCODEGPT = "its model page; its paper has 8.33, 13.36, 19.13"
_CODEX = "Chen et al. 2021, arXiv:2107.03374; best T for each k"
_CODEPARROT = "its model page; n = 200, best of T 0.2, 0.6, 0.8"
_ALPHACODE = "Li et al. 2022, arXiv:2203.07814, appendix"
_POLYCODER = "Xu et al. 2022, arXiv:2202.13169"
_NEO_1_3B = "Chen et al. 2021; CodeParrot's page has 4.79 for @1"

PUBLISHED = (
    Published("PyCodeGPT-110M", 110, 8.32, 13.53, 18.3, _PYCODEGPT),
    Published("GPT-Neo 125M", 125, 0.75, 1.88, 2.97, _CODEX),
    Published("GPT-Neo 1.3B", 1_300, 4.97, 7.47, 16.3, _NEO_1_3B),
    Published("GPT-Neo 2.7B", 2_700, 6.41, 11.27, 21.37, _CODEX),
    Published("GPT-J 6B", 6_000, 11.62, 15.74, 27.74, _CODEX),
    Published("TabNine", None, 2.58, 4.35, 7.59, _CODEX),
    Published("CodeParrot 110M", 110, 3.80, 6.57, 12.78, _CODEPARROT),
    Published("CodeParrot 1.5B", 1_500, 3.58, 8.03, 14.96, _CODEPARROT),
    Published("Codex 12M", 12, 2.00, 3.62, 8.58, _CODEX),
    Published("Codex 25M", 25, 3.21, 7.1, 12.89, _CODEX),
    Published("Codex 42M", 42, 5.06, 8.8, 15.55, _CODEX),
    Published("Codex 85M", 85, 8.22, 12.81, 22.4, _CODEX),
    Published("Codex 300M", 300, 13.17, 20.37, 36.27, _CODEX),
    Published("Codex 679M", 679, 16.22, 25.7, 40.95, _CODEX),
    Published("Codex 2.5B", 2_500, 21.36, 35.42, 59.5, _CODEX),
    Published("Codex 12B", 12_000, 28.81, 46.81, 72.31, _CODEX),
    Published("Pretrained Decoder-only 13M (AlphaCode)", 13, 1.5, 3.6, 8.6, _ALPHACODE),
    Published("Pretrained Decoder-only 29M (AlphaCode)", 29, 3.4, 5.8, 11.2, _ALPHACODE),
    Published("Pretrained Decoder-only 55M (AlphaCode)", 55, 4.2, 8.2, 16.9, _ALPHACODE),
    Published("Pretrained Decoder-only 89M (AlphaCode)", 89, 4.3, 12.2, 20.0, _ALPHACODE),
    Published("Pretrained Decoder-only 302M (AlphaCode)", 302, 11.6, 18.8, 31.8, _ALPHACODE),
    Published("Pretrained Decoder-only 685M (AlphaCode)", 685, 14.2, 24.4, 38.8, _ALPHACODE),
    Published("Pretrained Decoder-only 1.1B (AlphaCode)", 1_100, 17.1, 28.2, 45.3, _ALPHACODE),
    Published("PolyCoder 160M", 160, 2.13, 3.35, 4.88, _POLYCODER),
    Published("PolyCoder 400M", 400, 2.96, 5.29, 11.59, _POLYCODER),
    Published("PolyCoder 2.7B", 2_700, 5.59, 9.84, 17.68, _POLYCODER),
)

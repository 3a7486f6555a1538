"""Which processor trains, and what it is called."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from corpus.errors import TrainError


def pick_device(wanted: str) -> torch.device:
    """`auto` takes the GPU if there is one. Raises TrainError if `cuda` is asked for in vain."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise TrainError(
            "train.loop.device is 'cuda', but this torch sees no GPU: "
            "set it to 'cpu' or 'auto', or install a CUDA build of torch"
        )
    return torch.device(wanted)


def device_name(device: torch.device) -> str:
    """What the manifest says: the GPU's name, or the CPU's model and the threads used."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_cpu_name()}, {torch.get_num_threads()} threads"


def compute_precision(device: torch.device) -> AbstractContextManager[object]:
    """bf16 compute over fp32 weights on a GPU; fp32 on the CPU, where it is exact to repeat."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

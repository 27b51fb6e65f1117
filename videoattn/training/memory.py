"""How much memory a piece of work takes at its peak: of this process, or of a GPU."""

import ctypes
import gc
from pathlib import Path
from typing import Protocol

import psutil
import torch

PROC = Path("/proc/self")


class Memory(Protocol):
    """Bytes beyond those that were taken when this was made."""

    def settle(self) -> None:
        """Give freed memory back to the system."""

    def reset(self) -> None:
        """Forget earlier peaks."""

    def look(self) -> None:
        """Note what is taken at this moment."""

    def held(self) -> int:
        """Bytes taken now."""

    def peak(self) -> int:
        """Most bytes at one moment since `reset`."""


class Resident:
    """Resident memory of this process: all that it has in RAM.

    Linux keeps the peak and can be made to forget it; where it cannot, the peak is the most of what `look` saw. Memory
    that was freed is first given back to the system, where the C library can; what it keeps for itself counts as taken,
    and so makes later work look smaller by as much.
    """

    def __init__(self):
        self._process = psutil.Process()
        self._seen = 0
        self._forgets = False
        self._base = 0
        gc.collect()
        self.settle()
        self._base = self.held()

    def settle(self) -> None:
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
        if trim:
            trim(0)

    def reset(self) -> None:
        self._seen = self.held()
        try:
            (PROC / "clear_refs").write_text("5")  # the peak becomes what is taken now
            self._forgets = True
        except OSError:
            self._forgets = False

    def look(self) -> None:
        self._seen = max(self._seen, self.held())

    def held(self) -> int:
        return self._process.memory_info().rss - self._base

    def peak(self) -> int:
        self.look()
        return max(self._seen, _high_water() - self._base) if self._forgets else self._seen


class Allocated:
    """Memory of one GPU that holds this process's tensors and the work space of its operations.

    Not the driver's and the libraries' own, some hundred MiB, nor gaps between what is taken.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self._base = 0
        gc.collect()
        self.settle()
        self._base = self.held()

    def settle(self) -> None:
        torch.cuda.empty_cache()

    def reset(self) -> None:
        torch.cuda.reset_peak_memory_stats(self.device)

    def look(self) -> None:
        """Nothing: PyTorch itself keeps the peak."""

    def held(self) -> int:
        return torch.cuda.memory_allocated(self.device) - self._base

    def peak(self) -> int:
        return torch.cuda.max_memory_allocated(self.device) - self._base


def memory_of(device: torch.device) -> Memory:
    """What work on the device takes: GPU memory, or RAM where it is no GPU."""
    return Allocated(device) if device.type == "cuda" else Resident()


def available(device: torch.device) -> int:
    """Bytes that are free on the device now, for this and all other processes."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


def _high_water() -> int:
    """The most that was ever resident, or since the peak was forgotten."""
    lines = (PROC / "status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])

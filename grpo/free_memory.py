"""How does memory that was freed get back to the system? Allocators keep it, and it counts for this process at its peak."""

from __future__ import annotations

import ctypes
import sys

import torch

__all__ = ["give_back_large_blocks", "return_memory"]

LARGE = 256 << 10  # bytes
M_MMAP_THRESHOLD = -3  # of mallopt(3)


def give_back_large_blocks() -> None:
    """Have the C library give large blocks back as soon as they are freed.

    It raises the size from which it does so as it goes, to 32 MiB; the holes between tensors of a step then stay
    with the process.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # glibc
            mallopt(M_MMAP_THRESHOLD, LARGE)


def return_memory(device: torch.device) -> None:
    """Return what is free: between sampling and training, whose tensors have other sizes."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # glibc
            trim(0)

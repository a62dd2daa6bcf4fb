"""What goes wrong with a sandbox itself, never with a program in it."""

from __future__ import annotations

__all__ = ["SandboxUnavailable"]


class SandboxUnavailable(RuntimeError):
    """The sandbox that was asked for cannot run on this machine; the message names what is missing and the remedy."""

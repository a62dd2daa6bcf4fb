"""Write the tables of docs/settings.md: every setting of grpo/settings.py, from its docstring, beside TRL's default.

    python docs/make_settings.py

What stands between the marks is replaced; the rest of the page is written by hand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from assay.grpo import settings as module
from assay.grpo.settings import Settings

PAGE = Path(__file__).with_name("settings.md")
BEGIN, END = "<!-- made by docs/make_settings.py -->", "<!-- end -->"

# Of TRL 1.16: GRPOConfig, and ModelConfig for the model and the adapter. A test compares them with the TRL that is installed.
TRL: dict[str, Any] = {
    "model_name_or_path": None,
    "dtype": "float32",
    "attn_implementation": None,
    "use_peft": False,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.05,
    "lora_target_modules": None,
    "gradient_checkpointing": True,
    "max_steps": -1,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "steps_per_generation": None,
    "num_iterations": 1,
    "num_generations": 8,
    "seed": 42,
    "shuffle_dataset": True,
    "vllm_server_base_url": None,
    "vllm_server_timeout": 240.0,
    "vllm_importance_sampling_correction": True,
    "vllm_importance_sampling_mode": "sequence_mask",
    "vllm_importance_sampling_clip_max": 3.0,
    "vllm_importance_sampling_clip_min": None,
    "max_completion_length": 512,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "scale_rewards": "group",
    "mask_truncated_completions": False,
    "loss_type": "dapo",
    "importance_sampling_level": "token",
    "epsilon": 0.2,
    "epsilon_high": None,
    "delta": None,
    "beta": 0.0,
    "use_bias_correction_kl": True,
    "learning_rate": 1e-6,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "max_grad_norm": 1.0,
    "output_dir": None,
    "save_steps": 500,
    "save_total_limit": None,
    "logging_steps": 10,
    "log_completions": False,
    "report_to": "none",
}


def tables() -> str:
    """Return the tables, a heading and a table for each group of settings."""
    lines: list[str] = []
    for heading, names in groups():
        lines += [
            f"### {heading[:1].upper()}{heading[1:]}",
            "",
            "| setting | default | in TRL | |",
            "|---|---|---|---|",
        ]
        for name in names:
            field = Settings.model_fields[name]
            default = "*to be given*" if field.is_required() else code(field.default)
            theirs = "-" if name not in TRL else "the same" if same(field, TRL[name]) else code(TRL[name])
            lines.append(
                f"| `{name}` | {default} | {theirs} | {' '.join((field.description or '').split()).replace('|', chr(92) + '|')} |"
            )
        lines.append("")
    return "\n".join(lines).strip()


def same(field: Any, theirs: Any) -> bool:
    """Whether TRL has the same default, told apart by type: 1 is not true."""
    return (
        not field.is_required()
        and field.default == theirs
        and isinstance(field.default, bool) == isinstance(theirs, bool)
    )


def code(value: Any) -> str:
    """Return a value as a recipe has it."""
    if value is None:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def groups() -> list[tuple[str, list[str]]]:
    """Return the settings under the headings that their source has."""
    found: list[tuple[str, list[str]]] = []
    for line in Path(str(module.__file__)).read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"    # ---- (.+)", line):
            found.append((heading[1], []))
        elif (name := re.match(r"    (\w+): ", line)) and name[1] in Settings.model_fields and found:
            found[-1][1].append(name[1])
    return found


def page(text: str) -> str:
    """Return the page with fresh tables."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""Does the page about the loop name code that is there?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "grpo.md").read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(grpo/\w+\.py)`", PAGE))))
def test_its_modules_exist(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize(("names", "module"), re.findall(r"((?:`[\w.]+`(?: and |, )?)+)\s+in\s+`(grpo/\w+\.py)`", PAGE))
def test_its_functions_are_where_it_says(names: str, module: str) -> None:
    text = (ROOT / module).read_text()
    for name in re.findall(r"`([\w.]+)`", names):
        assert re.search(rf"\b(def|class) {name.split('.')[-1]}\b", text), f"{name} is not in {module}"


@pytest.mark.parametrize("name", sorted({*re.findall(r"`([a-z]+_[a-z_]+)`?:", PAGE), "dynamic_sampling", "beta"}))
def test_its_settings_exist(name: str) -> None:
    from assay.grpo.settings import Settings

    assert name in Settings.model_fields

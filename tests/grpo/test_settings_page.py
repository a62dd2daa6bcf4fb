"""docs/settings.md says what grpo/settings.py does, and what TRL does."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from assay.grpo.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the pages are in the checkout")


def make_settings() -> Any:
    spec = importlib.util.spec_from_file_location("make_settings", DOCS / "make_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_code() -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert text == make_settings().page(text), "run python docs/make_settings.py"


def test_every_setting_has_its_row_and_its_words() -> None:
    made = make_settings()
    assert [name for _, names in made.groups() for name in names] == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert made.tables().count(f"| `{name}` |") == 1


def test_what_is_said_to_differ_does() -> None:
    """Each `name: value` that the text claims for a setting is the default."""
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    prose = text.partition("## What differs")[2]
    claims = re.findall(r"`(\w+): (\[?[\w.-]+\]?)`", prose)
    assert len(claims) >= 10
    for name, value in claims:
        default = Settings.model_fields[name].default
        said = f"[{', '.join(default)}]" if isinstance(default, list) else str(default).lower()
        assert said.removesuffix(".0") == value, name


def test_trl_has_these_defaults() -> None:
    pytest.importorskip("trl")
    from trl import GRPOConfig, ModelConfig

    theirs: dict[str, Any] = {}
    for config in (ModelConfig, GRPOConfig):
        for field in dataclasses.fields(config):
            made = field.default_factory
            theirs[field.name] = field.default if made is dataclasses.MISSING else made()
    known = {name: theirs[name] for name in Settings.model_fields if name in theirs}
    assert known == make_settings().TRL

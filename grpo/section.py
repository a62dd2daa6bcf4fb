"""What have all parts of a recipe in common? Keys that nobody knows are refused, and `none` is none where none may be.

A setting that can do without a value is switched off with `none` (or YAML's own `null`): max_kl=none. A setting that
cannot, and one whose values have `none` among them (scale_rewards), gets the word itself.
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo

__all__ = ["Section"]


class Section(BaseModel):
    """Settings of a recipe: the flat ones, or those of a section."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _none(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cls.model_fields
        return {
            name: None if value == "none" and name in fields and _may_be_none(fields[name]) else value
            for name, value in given.items()
        }


def _may_be_none(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)

"""What have all parts of a recipe in common? Keys that nobody knows are refused, and `none` is none where none may be.

A setting that can do without a value is switched off with `none` (or YAML's own `null`): max_kl=none. A setting that
cannot, and one whose values have `none` among them (scale_rewards), gets the word itself. Numbers are numbers: true is
not 1.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError

__all__ = ["Count", "Fraction", "NotNegative", "Number", "Positive", "Section", "Whole"]


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


Number = BeforeValidator(_no_truth)
Whole = Annotated[int, Field(ge=0), Number]
Count = Annotated[int, Field(ge=1), Number]
Fraction = Annotated[float, Field(ge=0, le=1), Number]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), Number]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), Number]


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

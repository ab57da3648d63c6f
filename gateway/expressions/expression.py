"""One condition: checked when it is read, bound to the lists when a policy is built, asked once an exchange."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Protocol

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gateway.policy import Context


class ExpressionFailed(Exception):
    """A condition gave no answer: an overflow, a missing key of a map, too much work. Never a silent yes or no."""


class Condition(Protocol):
    """A bound expression."""

    def __call__(self, context: Context) -> bool:
        """Raises ExpressionFailed."""


class Expression:
    """Checked CEL of type bool. As the type of a pydantic field, it is made of text, and what is wrong is said with its
    place. The validation context holds `lists`: name -> ListKind of all lists that there are.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def made(text: str) -> Expression:
            expression = cls()
            expression.text = text
            return expression

        return core_schema.no_info_after_validator_function(made, core_schema.str_schema())

    text: str
    reads: frozenset[str]
    """Names of the variables that it reads, lists not among them."""
    lists: frozenset[str]
    """Names of the lists that it asks."""
    volatile: bool
    """Reads what is different for nearly every exchange (time, tokens): not worth remembering by."""

    def bind(self, lists: Mapping[str, Container[object]]) -> Condition:
        """The condition over these lists. Raises KeyError for a list that is not there."""
        raise NotImplementedError

    def read(self, context: Context) -> dict[str, Any]:
        """Variable -> its value for this exchange, for a person."""
        raise NotImplementedError

"""Serializer fields and the base of request bodies: text is taken exactly as it is, and unknown members are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

_MAX_SHOWN = 64


class ExactText(serializers.CharField):
    """A JSON string, kept character for character: nothing is trimmed, and a number is no string."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class Text(serializers.CharField):
    """A JSON string without the spaces around it; a number is no string."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    """A JSON integer: neither a string of digits nor true."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class TrueOrFalse(serializers.BooleanField):
    """A JSON boolean and nothing that resembles one."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=str(data)[:_MAX_SHOWN])
        return data


class Body(serializers.Serializer[Any]):
    """A request body. A member that the call does not know is refused by name: it was meant to do something."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            for name in data:
                if name not in self.fields:
                    raise serializers.ValidationError(
                        {str(name)[:_MAX_SHOWN]: ["This call has no such member."]}
                    )
        return super().to_internal_value(data)

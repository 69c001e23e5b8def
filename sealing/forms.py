"""The form side of a sealed field: one can write into it, and it never shows anything."""

from __future__ import annotations

from typing import Any

from django import forms

from sealing.secret import Secret


class WriteOnlyInput(forms.PasswordInput):
    """A password box that stays empty, also when the form comes back with errors."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "new-password", **(attrs or {})}, render_value=False)


class SealedFormField(forms.CharField):
    """Cleans to a Secret, or to None when left empty, which means "keep what is stored"."""

    widget = WriteOnlyInput

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        # A form has its own copy of each field. Where something is stored, empty is an answer.
        if form.get_initial_for_field(self, field_name) is not None:
            self.required = False
        return super().get_bound_field(form, field_name)

    def prepare_value(self, value: Any) -> None:
        """Nothing reaches a template, whatever the widget."""
        return

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return Secret(text) if text else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and bool(data)

"""Choosing scopes: a searchable list that explains each, and marks each chosen one required or optional."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.renderers import BaseRenderer
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from integrations.catalogue import Provider, Scope

OTHERS = "Not in the catalogue"
#: kinds that staff should think about twice, in words
KIND_NOTES: dict[str, str] = {
    "legacy": "legacy, not offered to new apps",
    "spec-only": "not documented",
    "internal": "internal",
    "uncertain": "spelling uncertain",
    "app-token": "for the app's own token",
}


@dataclass(frozen=True, slots=True)
class ScopeChoice:
    """What is chosen; a scope is in one of the two lists."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @classmethod
    def of(cls, required: Iterable[str], optional: Iterable[str]) -> ScopeChoice:
        optional_once = tuple(dict.fromkeys(optional))
        return cls(tuple(s for s in dict.fromkeys(required) if s not in optional_once), optional_once)


@dataclass(frozen=True, slots=True)
class Row:
    """One scope as the template shows it."""

    name: str
    meaning: str = ""
    tier: str = ""
    note: str = ""
    is_paid: bool = False
    is_chosen: bool = False
    is_optional: bool = False


@dataclass(slots=True)
class Group:
    name: str
    rows: list[Row] = field(default_factory=list)

    @property
    def chosen(self) -> int:
        return sum(row.is_chosen for row in self.rows)


class ScopePicker(forms.Widget):
    """Sends `<name>` once for each chosen scope, `<name>_optional` for the optional ones, and names typed by hand
    as text in `<name>_other` and `<name>_other_optional`. Works without JavaScript; a script adds the search."""

    template_name = "admin/integrations/scope_picker.html"
    provider: Provider

    class Media:
        js = ("patchbay/admin/scope-picker.js",)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> ScopeChoice:
        chosen = _all(data, name) + _words(data.get(f"{name}_other"))
        optional = _all(data, f"{name}_optional") + _words(data.get(f"{name}_other_optional"))
        return ScopeChoice.of([*chosen, *optional], optional)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False

    def id_for_label(self, id_: str | None, index: str | None = None) -> str:
        return ""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: BaseRenderer | None = None
    ) -> SafeString:
        choice = value if isinstance(value, ScopeChoice) else ScopeChoice()
        rules = self.provider.oauth.scope
        return render_to_string(
            self.template_name,
            {
                "name": name,
                "groups": groups(self.provider, choice),
                "provider": self.provider,
                "mandatory": [
                    self.provider.scope_by_name(scope) or Scope(name=scope, meaning="", group="")
                    for scope in rules.mandatory
                ],
                "has_optional": rules.optional_parameter is not None,
                "is_sent": rules.is_sent,
                "required_count": len(choice.required),
                "optional_count": len(choice.optional),
            },
        )


def _all(data: Any, name: str) -> list[str]:
    values = data.getlist(name) if hasattr(data, "getlist") else data.get(name) or []
    return [value.strip() for value in values if value.strip()]


def _words(text: str | None) -> list[str]:
    return (text or "").replace(",", " ").split()


def groups(provider: Provider, choice: ScopeChoice) -> list[Group]:
    """The provider's scopes by group: groups with chosen scopes first, else in the catalogue's order."""
    by_name: dict[str, Group] = {}
    mandatory = provider.oauth.scope.mandatory
    strangers = [
        name for name in (*choice.required, *choice.optional) if provider.scope_by_name(name) is None
    ]
    if strangers:
        rows = [
            _row(Scope(name=name, meaning="", group=OTHERS), choice)
            for name in strangers
            if name not in mandatory
        ]
        by_name[OTHERS] = Group(OTHERS, rows)
    for scope in provider.scopes:
        if scope.name not in mandatory:
            by_name.setdefault(scope.group, Group(scope.group)).rows.append(_row(scope, choice))
    return sorted((group for group in by_name.values() if group.rows), key=lambda group: group.chosen == 0)


def _row(scope: Scope, choice: ScopeChoice) -> Row:
    return Row(
        name=scope.name,
        meaning=scope.meaning,
        tier=scope.tier if scope.paid else "",
        note="not in the catalogue" if scope.group == OTHERS else KIND_NOTES.get(scope.kind, ""),
        is_paid=scope.paid,
        is_chosen=scope.name in choice.required or scope.name in choice.optional,
        is_optional=scope.name in choice.optional,
    )


class ScopesField(forms.Field):
    widget = ScopePicker

    def clean(self, value: Any) -> ScopeChoice:
        if not isinstance(value, ScopeChoice):
            raise ValidationError("Choose scopes from the list.")
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = initial if isinstance(initial, ScopeChoice) else ScopeChoice()
        return not isinstance(data, ScopeChoice) or (
            set(before.required) != set(data.required) or set(before.optional) != set(data.optional)
        )


def advice(provider: Provider, choice: ScopeChoice) -> list[str]:
    """Sentences for staff about a choice that is allowed and may not be wise."""
    known = {name: provider.scope_by_name(name) for name in (*choice.required, *choice.optional)}
    mandatory = provider.oauth.scope.mandatory
    sentences = []
    strangers = [name for name, scope in known.items() if scope is None and name not in mandatory]
    if strangers:
        sentences.append(
            f"Not in the catalogue, so check the spelling: {', '.join(strangers)}. {provider.display_name} refuses "
            "a link with a scope that the app does not have."
        )
    odd = [name for name, scope in known.items() if scope is not None and scope.kind in KIND_NOTES]
    if odd:
        sentences.append(f"{provider.display_name} may not offer these to your app: {', '.join(odd)}.")
    paid = [name for name in choice.required if (scope := known[name]) is not None and scope.paid]
    if paid and provider.oauth.scope.optional_parameter:
        sentences.append(
            f"Only customers of a paid plan can grant {', '.join(paid)}; marked required, all others are refused. "
            "Consider marking it optional."
        )
    return sentences

"""The form of an integration: made for one provider, so that it asks for what that provider has."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import date_format

from accounts.models import AuditEntry
from integrations import pasted_values, setup
from integrations.admin.scope_picker import ScopeChoice, ScopePicker, ScopesField
from integrations.catalogue import CredentialField, Provider
from integrations.errors import InvalidInput
from integrations.models import ClientCredentials, Integration
from integrations.pasted_values import InstallUrl
from integrations.setup import IntegrationValues
from sealing import Secret
from sealing.forms import SealedFormField, WriteOnlyInput

CONFIG_PREFIX = "config_"
_URL_FIELDS = ("install_url", "client_id", "client_secret", "app_id", "slug", "display_name")
_SECRET_FIELDS = ("client_secret", "next_client_secret")
_ERROR_FIELDS = {"required_scopes": "scopes", "optional_scopes": "scopes"}
_PASTE_AGAIN = "A secret is never sent back to the browser: paste the {label} again before you save."
_WIDE = {
    "class": "vTextField pb-mono",
    "autocomplete": "off",
    "spellcheck": "false",
    "autocapitalize": "none",
}
# "off" would not keep a browser from filling in the password with which staff signed in.
_SECRET_INPUT = {**_WIDE, "autocomplete": "new-password"}


class IntegrationForm(forms.ModelForm):
    """Subclassed by form_class, which sets provider and adds the fields that depend on it."""

    provider: Provider

    install_url = forms.CharField(
        required=False,
        label="Install URL",
        max_length=pasted_values.MAX_URL_CHARACTERS,
        widget=forms.TextInput(attrs={**_WIDE, "placeholder": "https://…"}),
        help_text="If the provider's console shows one, paste it: Client ID and scopes are taken from it.",
    )
    client_id = forms.CharField(max_length=512, widget=forms.TextInput(attrs=_WIDE))
    use_anyway = forms.BooleanField(
        required=False,
        label="Use these values anyway",
        widget=forms.HiddenInput,
        help_text="They have an unusual shape. Tick this if you are sure that they are right.",
    )

    class Meta:
        model = Integration
        fields = ("slug", "display_name", "environment", "is_enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.taken_apart: InstallUrl | None = None
        self._strays: set[str] = set()
        if self.is_bound:
            self._take_url_apart()

    # --- an install URL, wherever it was pasted -----------------------------------------------------------
    def _take_url_apart(self) -> None:
        """Put what an install URL says into the other fields: a proposal, which clean() does not let pass."""
        given = {name: str(self.data.get(self.add_prefix(name)) or "") for name in _URL_FIELDS}
        found = pasted_values.find_install_url(self.provider, given)
        if found is None:
            return
        pasted_into, self.taken_apart = found
        data: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        data[self.add_prefix(pasted_into)] = ""
        data[self.add_prefix("client_id")] = self.taken_apart.client_id
        scopes = self.taken_apart
        if scopes.scopes or scopes.optional_scopes:
            name = self.add_prefix("scopes")
            mandatory = self.provider.oauth.scope.mandatory
            chosen = (*scopes.scopes, *scopes.optional_scopes)
            data.setlist(name, [scope for scope in chosen if scope not in mandatory])
            data.setlist(f"{name}_optional", list(scopes.optional_scopes))
        self.data = data

    def _tell_of_url(self, found: InstallUrl) -> None:
        counted = f"{len(found.scopes)} required and {len(found.optional_scopes)} optional scopes"
        sentences = [
            f"The install URL was taken apart: Client ID and {counted} now stand in the form. Nothing is saved yet; "
            "check them and save."
        ]
        if not found.is_of_provider:
            sentences.append(f"The URL belongs to {found.host}, which is not {self.provider.display_name}.")
        ours = self._redirect_uri()
        if found.redirect_uri and ours and found.redirect_uri != ours:
            sentences.append(
                f"Its redirect URL is {found.redirect_uri[:300]}, and ours is {ours}: register ours with "
                f"{self.provider.display_name}, else customers end on an error page."
            )
        self.add_error(None, [ValidationError(sentence, code="proposal") for sentence in sentences])

    def _redirect_uri(self) -> str:
        slug = self.cleaned_data.get("slug") or self.instance.slug
        return Integration(slug=slug).redirect_uri if slug else ""

    def full_clean(self) -> None:
        super().full_clean()
        given = [
            name for name in _SECRET_FIELDS if name in self.fields and self.data.get(self.add_prefix(name))
        ]
        if self.is_bound and self.errors and given:
            labels = " and the ".join(str(self.fields[name].label) for name in given)
            self.add_error(None, ValidationError(_PASTE_AGAIN.format(label=labels), code="paste_again"))
        if self.is_bound and self.errors:
            self._blank_strays()

    def _blank_strays(self) -> None:
        """What was pasted into the wrong field may be the secret: it does not go back to the browser either."""
        secrets = {
            pasted_values.clean(str(self.data.get(self.add_prefix(name)) or "")) for name in _SECRET_FIELDS
        }
        data: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        for name, field in self.fields.items():
            value = pasted_values.clean(str(data.get(self.add_prefix(name)) or ""))
            is_text = isinstance(field, forms.CharField) and name not in _SECRET_FIELDS
            is_stray = name in self._strays or value in secrets
            # A Client ID may look just like a secret, and is none; everything else that does may be one.
            if value and is_text and (is_stray or (name != "client_id" and self._looks_secret(value))):
                data[self.add_prefix(name)] = ""
        self.data = data

    # --- checking -------------------------------------------------------------------------------------------
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._tidy(cleaned)
        if self.taken_apart is not None:
            self._tell_of_url(self.taken_apart)
        self._judge(cleaned)
        self._judge_labels(cleaned)
        if not self.errors:
            self._check_with_domain()
        return cleaned

    def _tidy(self, cleaned: dict[str, Any]) -> None:
        credentials = self.provider.credentials
        for name in ("client_id", "app_id"):
            if cleaned.get(name):
                cleaned[name] = pasted_values.tidy(getattr(credentials, name), cleaned[name])
        for name in _SECRET_FIELDS:
            if cleaned.get(name):
                cleaned[name] = Secret(pasted_values.tidy(credentials.client_secret, cleaned[name].reveal()))

    def _judge(self, cleaned: dict[str, Any]) -> None:
        """Both secrets are judged, each as the Client Secret that it is or will be."""
        plain = {name: cleaned.get(name) or "" for name in ("client_id", "app_id")}
        may_override_all = True
        told: set[str] = set()
        for secret_field in _SECRET_FIELDS:
            secret = cleaned.get(secret_field)
            values = plain | {"client_secret": secret.reveal() if secret else ""}
            for finding in pasted_values.judge(self.provider, values, redirect_uri=self._redirect_uri()):
                name = secret_field if finding.field == "client_secret" else finding.field
                if name in told or (finding.may_override and cleaned.get("use_anyway")):
                    continue
                told.add(name)
                if not finding.may_override:
                    self._strays.add(name)
                may_override_all = may_override_all and finding.may_override
                if name in self.fields:
                    self.add_error(name, finding.sentence)
        if "use_anyway" in self.fields and ((told and may_override_all) or cleaned.get("use_anyway")):
            self.fields["use_anyway"].widget = forms.CheckboxInput()

    def _looks_secret(self, value: str) -> bool:
        return pasted_values.looks_secret(self.provider, value)

    def _judge_labels(self, cleaned: dict[str, Any]) -> None:
        """What looks like a secret and stands in none of the credential fields was pasted into the wrong one."""
        for name in ("slug", "display_name", "environment", "install_url"):
            if self._looks_secret(cleaned.get(name) or ""):
                self._strays.add(name)
                label = self.provider.credentials.client_secret
                wanted = label.label if label else "credentials"
                self.add_error(name, f"This looks like a credential. The {wanted} has a field of its own.")

    def _check_with_domain(self) -> None:
        values = self.integration_values()
        stored = self._stored_client(values.client_id)
        try:
            setup.check(
                self.provider, values, has_secret=stored is not None and stored.client_secret is not None
            )
        except InvalidInput as error:
            name = error.field.replace("connection_config.", CONFIG_PREFIX)
            name = _ERROR_FIELDS.get(name, name)
            self.add_error(name if name in self.fields else None, str(error))

    def _stored_client(self, client_id: str) -> ClientCredentials | None:
        return ClientCredentials.objects.filter(integration_id=self.instance.pk, client_id=client_id).first()

    def integration_values(self) -> IntegrationValues:
        """The cleaned form as the domain wants it."""
        cleaned = self.cleaned_data
        scopes: ScopeChoice = cleaned.get("scopes") or ScopeChoice()
        return IntegrationValues(
            client_id=cleaned.get("client_id") or "",
            client_secret=cleaned.get("client_secret"),
            next_client_secret=cleaned.get("next_client_secret"),
            app_id=cleaned.get("app_id") or "",
            display_name=cleaned.get("display_name") or "",
            environment=cleaned.get("environment") or "",
            is_enabled=bool(cleaned.get("is_enabled")),
            connection_config={
                name.removeprefix(CONFIG_PREFIX): value or ""
                for name, value in cleaned.items()
                if name.startswith(CONFIG_PREFIX)
            },
            required_scopes=scopes.required,
            optional_scopes=scopes.optional,
        )


def form_class(provider: Provider, integration: Integration | None) -> type[IntegrationForm]:
    """The form for one provider; integration None: a new one."""
    client = integration.clients.filter(is_current=True).first() if integration else None
    fields: dict[str, Any] = {"provider": provider, **_credential_fields(provider, integration, client)}
    if provider.auth_kind != "oauth2_code":
        fields["install_url"] = None  # takes a declared field away
    if provider.credentials.client_id is None:
        fields["client_id"] = fields["use_anyway"] = None
    for field in provider.connection_fields:
        if field.asked_of == "staff":
            fields[CONFIG_PREFIX + field.name] = forms.CharField(
                label=field.title,
                required=field.required,
                max_length=255,
                initial=integration.connection_config.get(field.name) if integration else None,
                help_text=f"{field.description} Example: {field.example}.",
                widget=forms.TextInput(attrs=_WIDE),
            )
    if provider.scopes or provider.oauth.scope.is_sent:
        widget = ScopePicker()
        widget.provider = provider
        fields["scopes"] = ScopesField(
            label="Scopes", widget=widget, initial=_scopes(provider, integration), required=False
        )
    names = IntegrationForm.Meta.fields if integration is None else IntegrationForm.Meta.fields[1:]
    fields["Meta"] = type("Meta", (IntegrationForm.Meta,), {"fields": names, "widgets": _widgets()})
    return type("ProviderIntegrationForm", (IntegrationForm,), fields)


def _widgets() -> dict[str, forms.Widget]:
    return {
        "slug": forms.TextInput(attrs={**_WIDE, "placeholder": "hbdev", "maxlength": "63"}),
        "display_name": forms.TextInput(attrs={"class": "vTextField"}),
        "environment": forms.TextInput(attrs={"class": "vTextField", "placeholder": "production"}),
    }


def _scopes(provider: Provider, integration: Integration | None) -> ScopeChoice:
    if integration is None:
        return ScopeChoice.of(provider.oauth.scope.default, ())
    rows = integration.scopes.all()
    mandatory = provider.oauth.scope.mandatory
    return ScopeChoice.of(
        [row.scope for row in rows if not row.is_optional and row.scope not in mandatory],
        [row.scope for row in rows if row.is_optional and row.scope not in mandatory],
    )


def _credential_fields(
    provider: Provider, integration: Integration | None, client: ClientCredentials | None
) -> dict[str, Any]:
    credentials = provider.credentials
    fields: dict[str, Any] = {}
    if credentials.client_id is not None:
        fields["client_id"] = forms.CharField(
            label=credentials.client_id.label,
            max_length=512,
            initial=client.client_id if client else None,
            help_text=_help(credentials.client_id),
            widget=forms.TextInput(attrs=_WIDE),
        )
    if credentials.client_secret is not None:
        fields["client_secret"] = SealedFormField(
            label=credentials.client_secret.label,
            required=integration is None,
            max_length=4096,
            help_text=_help(credentials.client_secret),
            widget=WriteOnlyInput(attrs={**_SECRET_INPUT, "placeholder": stored_secret(integration, client)}),
        )
        if integration is not None:
            fields["next_client_secret"] = SealedFormField(
                label=f"Next {credentials.client_secret.label}",
                required=False,
                max_length=4096,
                help_text=(
                    "While the provider's secret is being exchanged, both are tried. When the provider has dropped "
                    "the old one, make this one the secret with the button at the top of this page."
                ),
                widget=WriteOnlyInput(attrs={**_SECRET_INPUT, "placeholder": _stored_next(client)}),
            )
    if credentials.app_id is not None:
        fields["app_id"] = forms.CharField(
            label=credentials.app_id.label,
            required=False,
            max_length=64,
            initial=client.app_id if client else None,
            help_text=_help(credentials.app_id),
            widget=forms.TextInput(attrs={**_WIDE, "inputmode": "numeric"}),
        )
    return fields


def _help(credential: CredentialField) -> str:
    return (
        f"{credential.description} Found at: {credential.console_location}. Looks like {credential.example}."
    )


def stored_secret(integration: Integration | None, client: ClientCredentials | None) -> str:
    """ "••••1a2b, set on 25 Nov 2026; leave empty to keep it", or "" when none is stored."""
    if integration is None or client is None or client.client_secret is None:
        return ""
    entries = AuditEntry.objects.filter(
        object_type=Integration._meta.label_lower,
        object_id=str(integration.pk),
        changes__has_key="client_secret",
    )
    latest = entries.order_by("-at").values_list("at", flat=True).first()
    set_on = date_format(max(latest, client.created_at) if latest else client.created_at, "j M Y")
    return f"••••{client.client_secret_last4}, set on {set_on}; leave empty to keep it"


def _stored_next(client: ClientCredentials | None) -> str:
    has_next = client is not None and client.next_client_secret is not None
    return "•••• one is stored; leave empty to keep it" if has_next else "none"

"""The authorization request: the URL that the customer's browser is sent to (RFC 6749 section 4.1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from .errors import UnsendableRequest

NOTHING: Mapping[str, str] = MappingProxyType({})


def merge_scopes(configured_required: Iterable[str], mandatory: Iterable[str]) -> list[str]:
    """The configured scopes and then the provider's mandatory ones, each once, in order."""
    stripped = (scope.strip() for scope in (*configured_required, *mandatory))
    return list(dict.fromkeys(scope for scope in stripped if scope))


def build_authorization_url(
    authorization_endpoint: str,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: Sequence[str],
    state: str,
    scope_separator: str = " ",
    code_challenge: str | None = None,
    extra_params: Mapping[str, str] = NOTHING,
    optional_scopes: Sequence[str] = (),
    optional_scope_parameter: str | None = None,
    sends_scope: bool = True,
    parameter_names: Mapping[str, str] = NOTHING,
) -> str:
    """The endpoint with all parameters, each name once, encoded as RFC 3986 has it (`%20`, not `+`).

    A query that the endpoint already has is kept (RFC 6749 section 3.1); of one name the standard's parameter
    wins over `extra_params`, and those over the endpoint's own. Optional scopes travel in their own
    parameter, or in `scope` where the provider has none. `code_challenge` is S256. `parameter_names`
    renames standard parameters; an empty new name leaves one out. Raises UnsendableRequest when the
    endpoint is no http(s) URL or a value is missing or not Unicode text.
    """
    for name, value in (("client_id", client_id), ("redirect_uri", redirect_uri), ("state", state)):
        if not value:
            raise UnsendableRequest(f"{name} is empty")
    endpoint = split_endpoint(authorization_endpoint, name="authorization_endpoint")
    standard = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
    }
    if sends_scope:
        standard |= _scope_parameters(scopes, optional_scopes, scope_separator, optional_scope_parameter)
    standard["state"] = state
    if code_challenge is not None:
        standard |= {"code_challenge": code_challenge, "code_challenge_method": "S256"}
    own = dict(parse_qsl(endpoint.query, keep_blank_values=True))
    return with_query(endpoint, own | dict(extra_params) | rename(standard, parameter_names))


def _scope_parameters(
    scopes: Sequence[str], optional_scopes: Sequence[str], separator: str, optional_parameter: str | None
) -> dict[str, str]:
    required = merge_scopes(scopes, () if optional_parameter else optional_scopes)
    optional = [scope for scope in merge_scopes(optional_scopes, ()) if scope not in required]
    parameters = {}
    if required:
        parameters["scope"] = separator.join(required)
    if optional_parameter and optional:
        parameters[optional_parameter] = separator.join(optional)
    return parameters


def rename(parameters: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Standard parameters under a provider's own names; an empty name leaves the parameter out."""
    renamed = ((names.get(name, name), value) for name, value in parameters.items())
    return {name: value for name, value in renamed if name}


def split_endpoint(url: str, *, name: str) -> SplitResult:
    """The parts of an endpoint's URL; raises UnsendableRequest unless it is one plain http(s) URL."""
    # urlsplit drops tabs and line ends without a word, so they are looked for first.
    if not url.isprintable() or " " in url:
        raise UnsendableRequest(f"{name} holds white space or control characters")
    try:
        parts = urlsplit(url)
        has_host = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        has_host = False
    if not has_host:
        raise UnsendableRequest(f"{name} is not an http or https URL")
    return parts


def with_query(endpoint: SplitResult, parameters: Mapping[str, str]) -> str:
    """The endpoint with these parameters as its whole query and without a fragment."""
    refuse_broken_text(parameters)
    query = urlencode(parameters, quote_via=quote, safe="")
    return urlunsplit((endpoint.scheme, endpoint.netloc, endpoint.path, query, ""))


def refuse_broken_text(parameters: Mapping[str, str]) -> None:
    """Raises UnsendableRequest for a lone surrogate. Done ahead, as UnicodeEncodeError carries the value."""
    for name, value in parameters.items():
        if any("\ud800" <= character <= "\udfff" for character in name + value):
            raise UnsendableRequest(f"{name!a} is not Unicode text")

"""What the traffic log keeps of a request's path and query: what tells calls apart, and nobody's data or secret.

By rule, not by provider: a query value is kept only under a name that is known to be harmless, a path segment
unless it looks like an e-mail address, a telephone number or a secret. Everything is looked at decoded, however
often it was encoded, and kept as it was sent.
"""

from __future__ import annotations

import re
from urllib.parse import unquote


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MASK = "***"
#: names, in lower case, whose values say how to page, sort or shape a reply. Anything else may be a person or a key
HARMLESS = _words(
    "$count $expand $orderby $select $skip $top after after_id alt api-version archived "
    "associations before before_id count created_after created_before created_since "
    "cursor depth direction end ending_before endtime expand fields format from_date "
    "idproperty include include_archived include_deleted interval lang language limit "
    "locale max_results maxresults modified_after modified_since offset opt_fields order "
    "order_by orderby page page[number] page[size] page_size page_token pagesize "
    "pagetoken per_page per-page pretty properties propertieswithhistory showdeleted "
    "singleevents skip sort sort_by sort_order sortby sortorder start start_at startat "
    "starting_after startindex starttime state_filter status timezone to_date top type "
    "updated_after updated_before updated_since updatedmin version visibility"
)
#: path segments after which a secret stands in common APIs
_PARENTS = _words(
    "access-token access-tokens access_token access_tokens accesstoken code codes invite "
    "invites key keys oauth-token otp passcode password passwords refresh-token "
    "refresh-tokens refresh_token refresh_tokens reset secret secrets session sessions "
    "signature token tokens verify"
)
_MAX_DECODINGS = 4
_MAX_KEPT_VALUE = 200
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}").search
_PLAIN = re.compile(r"[A-Za-z]{0,15}|v?[0-9.]{1,15}").fullmatch
_PLAIN_NAME = re.compile(r"\$?[A-Za-z][A-Za-z0-9_.\[\]-]{0,39}").fullmatch
_EMAIL = re.compile(r"[^/]@[^/]").search
_TELEPHONE = re.compile(r"\+[0-9][0-9 ().-]{5,}").search
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_LETTER = re.compile(r"[A-Za-z]").search
_DIGIT = re.compile(r"[0-9]").search
_LONG_RUN = re.compile(r"[A-Za-z0-9]{20,}").findall
_ANY_RUN = re.compile(r"[A-Za-z0-9+]{32,}").search
_LONG = 32
#: words of base64url, whose length is that of 120 bits at least: ids of Salesforce and Stripe are shorter
_WORDS = re.compile(r"[A-Za-z0-9_-]{20,}").findall
_UPPER, _LOWER, _DIGIT = (re.compile(kind).search for kind in ("[A-Z]", "[a-z]", "[0-9]"))
_IN_A_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}|[_-]").sub
#: of joinedWordsLike_these nothing stands outside a word but a number, of random letters half
_OUTSIDE_WORDS = 0.2
#: how the secrets of well-known issuers begin, ours among them
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:sk|rk|pk|whsec|pb[a-z]|gh[a-z]|github_pat|shp[a-z]{2}|shpss|lin_api|secret|ntn)_"
    r"|(?:xox[a-z]|xapp|pat|glpat|na[0-9]|eu[0-9]|ap[0-9]|key|sq0[a-z]{3}|EAAA)-"
    r"|ya29\.|1//|eyJ[A-Za-z0-9]|AKIA|AIza|SG\.|Bearer\b|Basic\b)"
)


def path(raw: str) -> str:
    """A raw path of which each suspicious segment is masked."""
    kept: list[str] = []
    parent = ""
    for segment in raw.split("/"):
        if _PLAIN(segment) and parent not in _PARENTS:
            kept.append(segment)
            parent = segment.lower()
            continue
        decoded = _decoded(segment)
        is_named = parent in _PARENTS and segment != ""
        kept.append(MASK if is_named or _is_suspicious(decoded) else segment)
        parent = decoded.lower()
    return "/".join(kept)


def query(raw: str) -> str:
    """A raw query of which each value is masked unless its name is HARMLESS and the value is not suspicious."""
    return "&".join(_pair(pair) for pair in raw.split("&")) if raw else ""


def _pair(pair: str) -> str:
    name, _, value = pair.partition("=")
    is_plain = name in HARMLESS or (name != "" and name.isalpha() and _PLAIN(name) is not None)
    decoded = name if is_plain else _decoded(name)
    if not is_plain and (not _PLAIN_NAME(decoded) or _is_suspicious(decoded)):
        return MASK
    if not value or (name in HARMLESS and _PLAIN(value)):
        return pair
    is_kept = (
        decoded.lower() in HARMLESS and len(value) <= _MAX_KEPT_VALUE and not _is_suspicious(_decoded(value))
    )
    return pair if is_kept else f"{name}={MASK}"


def _decoded(text: str) -> str:
    """The text without its percent-encoding, which may be manifold."""
    for _ in range(_MAX_DECODINGS):
        if "%" not in text:
            break
        text = unquote(text)
    return text


def _is_suspicious(text: str) -> bool:
    """Whether a decoded text may be a person's address or a secret. When in doubt, it is."""
    if _ESCAPE(text) or _EMAIL(text) or _TELEPHONE(text) or _TOKEN.search(text):
        return True
    rest = _UUID.sub("", text)
    if rest == "":
        return False
    if len(rest) != len(text) and len(rest) >= 4:
        return True  # a UUID with something of its own before or after it is how some tokens are made
    if _ANY_RUN(rest) or any(_looks_random(word) for word in _WORDS(rest)):
        return True
    return _has_both(rest) and (_is_long_word(rest) or any(_has_both(run) for run in _LONG_RUN(rest)))


def _looks_random(word: str) -> bool:
    """Whether what is long has capitals, small letters and digits, or letters that no words are made of."""
    if _UPPER(word) and _LOWER(word) and _DIGIT(word):
        return True
    return bool(_UPPER(word) and _LOWER(word)) and len(_IN_A_WORD("", word)) >= _OUTSIDE_WORDS * len(word)


def _has_both(text: str) -> bool:
    """Letters and digits; two searches, since one pattern for both takes quadratic time on a caller's text."""
    return bool(_LETTER(text) and _DIGIT(text))


def _is_long_word(text: str) -> bool:
    """Long without a comma: lists of property names are long too, but made of short words."""
    return any(len(word) >= _LONG and _has_both(word) for word in re.split(r"[,; ]", text))

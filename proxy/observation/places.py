"""What a span may say of where a call went: hosts and paths as an API's pages write them, nothing of a customer's.

No list of an API's paths exists here. A segment is told when every word of it is one that APIs are made of: of the
list below, or of the names of the provider's scopes and the paths of its catalogue entry. All else is `{}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from integrations import catalogue
from integrations.catalogue import Provider, UnknownProvider
from integrations.catalogue.templates import PLACEHOLDER
from integrations.catalogue.values import whole_hosts

HIDDEN = "{}"
#: of a longer path the rest is one more `{}`
MAX_SEGMENTS = 16
_SHAPE = re.compile(r"\$?[A-Za-z][A-Za-z_.-]{0,39}\d?(?:\(\))?:?").fullmatch
_VERSION = re.compile(r"v?\d{1,2}\.\d{1,2}|v\d{1,2}|20\d\d-(?:0[1-9]|1[0-2])").fullmatch
#: sendMessage, payment_intents, products.json, HTTPServer; a digit at the end is part of no word
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+").findall

COMMON = frozenset(
    """
    about access account action active activity add address admin agent aggregate alert all analytic api app
    application approval apex apexrest archive archived article asset assign assignee association async attachment
    attribute audience audit auth author availability avatar bank base batch board body bot branch budget bulk
    business by cal calendar call callback campaign cancel capture card cart catalog category change channel charge
    chart chat check checkout child children class clone close code collaborator collection column comment
    commit company component composite config configuration confirm connection contact content contents context
    contract conversation conversion copy cost count coupon create credit crm currency current custom customer
    dashboard data database date day deal default definition delete delivery delta department deploy describe
    description detail device dialog diff directory discount discussion dispute document domain download draft drive
    duplicate edit email employee engagement entity entry enum environment error estimate event execute expense
    export ext extension external feature feed field file filter find flow folder follower form format forward
    fulfillment full gateway generate get global graph graphql group health history home hook html icon id identity
    image import in inbox incident info information ingest input insert install instance intent inventory invite invoice
    issue item job join journal json jql key kind label language latest layout lead leave ledger level library like
    limit line link list listing live load local location lock log login mail mailbox manage manager map media
    meeting member membership merge message meta metadata metafield metric migration milestone minimal model module
    monitor month move my name native new next node note notification now number object of offer offset on open
    operation opportunity option order org organization owner package page parent part participant partner password
    patch path payload payment payout people period permission person phone photo picture pin ping pipeline plan
    platform player policy poll position post preference preview price primary print private process product profile
    progress project property proposal public publish pull purchase push query question queue quick quote quota
    random rate raw reaction read reader ready receipt record recipient reference refund region register relation
    release reminder remote remove rename reply repo report repository request requirement reservation reset
    resource response rest restore result retrieve revenue review revision role room root rotation route row rule
    run sale sandbox save schedule schema scim scope score screen search secret section segment self send sent
    sequence series server service session set setting share sheet shipment shop sign signature site size sku slot
    snapshot snippet sobject source space spec sprint stage standard star start stat state statement static
    statistic status step stock storage store stream string structure style sub submission submit subscription
    summary supplier supported survey suspend switch sync system tab table tag target task tax team template tenant
    term test text thread thumbnail ticket time timeline timezone title to token tool tooling top topic total track
    tracking train transaction transfer transition translation trash tree trigger type ui unit unread update updated
    upload upsert url usage user validate validation value variable variant vendor version video view visitor
    visibility void wallet warehouse watch watcher web webhook week widget wiki window word work worker workflow
    worklog workspace write xml year zone me myself ex
    """.split()  # noqa: SIM905 - one word after the other is easier to keep in order than quoted ones
)


def path_template(raw_path: str, provider_id: str = "") -> str:
    """The path with `{}` for every segment that may be an id, a name or a secret; of bounded length."""
    known = _vocabulary(provider_id)
    segments = raw_path.split("/", MAX_SEGMENTS + 1)
    rest = segments[MAX_SEGMENTS + 1 :]
    told = [segment if _is_told(segment, known) else HIDDEN for segment in segments[: MAX_SEGMENTS + 1]]
    return "/".join([*told, HIDDEN] if rest else told)


def _is_told(segment: str, known: frozenset[str]) -> bool:
    if not segment or _VERSION(segment):
        return True
    return _SHAPE(segment) is not None and all(_is_known(word.lower(), known) for word in _WORDS(segment))


def _is_known(word: str, known: frozenset[str]) -> bool:
    return word in known or word.removesuffix("s") in known or word.removesuffix("ies") + "y" in known


def host_template(host: str, provider_id: str) -> str:
    """The host as the catalogue writes it, such as `{shop}.myshopify.com`; `{}` when it is none of the entry's."""
    return next((template for template, pattern in _hosts(provider_id) if pattern.fullmatch(host)), HIDDEN)


@lru_cache(maxsize=512)
def _vocabulary(provider_id: str) -> frozenset[str]:
    provider = _provider(provider_id)
    if provider is None:
        return COMMON
    texts = [provider.api.base_url, *(scope.name for scope in provider.scopes)]
    texts += [probe.url for probe in provider.identity]
    texts += [closed.pattern or closed.prefix or "" for closed in provider.api.closed_paths]
    words = (word.lower() for text in texts for word in _WORDS(PLACEHOLDER.sub("", text)))
    return COMMON | {word for word in words if len(word) > 1}


@lru_cache(maxsize=512)
def _hosts(provider_id: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    provider = _provider(provider_id)
    return () if provider is None else tuple(_patterns(provider))


def _patterns(provider: Provider) -> Iterator[tuple[str, re.Pattern[str]]]:
    whole = whole_hosts(provider)
    for template in provider.api.hosts:
        suffixes = whole.get(template.strip("{}"), ()) if PLACEHOLDER.fullmatch(template) else ()
        for suffix in suffixes:
            yield template + suffix, re.compile(".+" + re.escape(suffix))
        if not suffixes:
            literals = PLACEHOLDER.split(template)[::2]  # the names between them are the pattern's group
            yield template, re.compile("[^.]+".join(map(re.escape, literals)))


def _provider(provider_id: str) -> Provider | None:
    try:
        return catalogue.get(provider_id)
    except UnknownProvider:
        return None

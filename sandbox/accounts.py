"""The customers' accounts that the sandbox starts with, and their CRM records."""

import dataclasses

from sandbox.state import Account, Record, State

BUILT_IN = (
    Account(
        hub_id=62515, name="Meow Mix Starter", tier="starter", domain="meowmix.example",
        user="willie@meowmix.example", user_id=293199,
    ),
    Account(
        hub_id=1512050, name="Northwind Enterprise", tier="enterprise", domain="northwind.example",
        user="ada@northwind.example", user_id=301417,
    ),
    Account(
        hub_id=147852369, name="Alpenblick GmbH (EU)", tier="professional", hublet="eu1",
        domain="alpenblick.example", user="greta@alpenblick.example", user_id=88412,
        time_zone="Europe/Berlin", utc_offset="+01:00", currency="EUR",
    ),
    Account(
        hub_id=8021377, name="Developer test account", tier="enterprise", account_type="DEVELOPER_TEST",
        domain="dev-8021377.example", user="dev@patchbay.example", user_id=57001,
    ),
)  # fmt: skip

_PEOPLE = (
    ("Bryan", "Cooper", "+1 555 0100"),
    ("Maria", "Johnson", "+1 555 0101"),
    ("Zoë", "山田", "+81 3 5550 0102"),
    ("Łukasz", "O'Neill", None),
    ("Priya", "Raman", "+44 20 5550 0104"),
    ("Sam", "Okafor", "+1 555 0105"),
)
_COMPANIES = (("Biglytics", "biglytics"), ("Größe & Söhne", "groesse"), ("Cloud Nine", "cloudnine"))
_DEALS = (
    ("Big deal", "1200.00", "presentationscheduled"),
    ("Renewal 2026", "480", "appointmentscheduled"),
    ("Pilot – 10% off", "99.5", "closedwon"),
)


def seed(state: State, now: float) -> None:
    """Give the state its accounts and a handful of records each."""
    for account in BUILT_IN:
        add(state, dataclasses.replace(account), now)


def add(state: State, account: Account, now: float) -> None:
    """Open one account with a handful of contacts, companies and deals, tied to each other."""
    state.accounts[account.hub_id] = account
    state.records[account.hub_id] = {"contacts": {}, "companies": {}, "deals": {}}
    made = now - 30 * 86_400
    companies = [
        _put(state, account, "companies", {"name": name, "domain": f"{host}.{account.domain}"}, made)
        for name, host in _COMPANIES
    ]
    contacts = []
    for number, (first, last, phone) in enumerate(_PEOPLE, start=1):
        email = f"person{number}@{account.domain}"
        properties = {"firstname": first, "lastname": last, "email": email, "phone": phone}
        contacts.append(_put(state, account, "contacts", properties, made))
    deals = [
        _put(
            state, account, "deals", {"dealname": name, "amount": amount, "dealstage": stage,
                                      "pipeline": "default", "closedate": None}, made,
        )
        for name, amount, stage in _DEALS
    ]  # fmt: skip
    for index, contact in enumerate(contacts):
        tie(contact, companies[index % len(companies)])
    for index, deal in enumerate(deals):
        tie(contacts[index], deal)


_SINGULAR = {"contacts": "contact", "companies": "company", "deals": "deal"}


def tie(one: Record, other: Record) -> None:
    """Associate two records, seen from both sides."""
    for source, target in ((one, other), (other, one)):
        kind = f"{_SINGULAR[source.type]}_to_{_SINGULAR[target.type]}"
        entry = {"id": target.id, "type": kind}
        entries = source.associations.setdefault(target.type, [])
        if entry not in entries:
            entries.append(entry)


def _put(state: State, account: Account, kind: str, properties: dict[str, str | None], made: float) -> Record:
    record = Record(state.next_record_id(), kind, dict(properties), made, made)
    state.records[account.hub_id][kind][record.id] = record
    return record

"""The object types that the sandbox plays, their properties, and what a value must look like."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.errors import SandboxError, invalid, invalid_properties

PREFIXES = ("/crm/v3/objects", "/crm/objects/2026-03", "/crm/objects/2026-09")
MAX_VALUE_CHARACTERS = 65_536
# A property with unique values, as an account can define one; makes upsert possible for every type.
UNIQUE_PROPERTY = "external_id"

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?")


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One type. modified is the property that holds the time of the last change."""

    name: str
    singular: str
    type_id: str
    defaults: tuple[str, ...]
    modified: str
    texts: frozenset[str]
    numbers: frozenset[str]
    unique: tuple[str, ...]
    searched: tuple[str, ...]

    def scope(self, verb: str) -> str:
        """The scope that allows "read" or "write"."""
        return f"crm.objects.{self.name}.{verb}"

    def knows(self, name: str) -> bool:
        return name in self.texts or name in self.numbers or name in self.read_only

    @property
    def read_only(self) -> tuple[str, ...]:
        return ("hs_object_id", "createdate", self.modified)


CONTACTS = ObjectType(
    name="contacts",
    singular="contact",
    type_id="0-1",
    defaults=("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    modified="lastmodifieddate",
    texts=frozenset(
        "email firstname lastname phone mobilephone company website jobtitle lifecyclestage hs_lead_status "
        "address city state zip country hubspot_owner_id message notes salutation fax industry twitterhandle "
        f"date_of_birth work_email closedate {UNIQUE_PROPERTY}".split()
    ),
    numbers=frozenset(["annualrevenue", "numemployees", "hubspotscore"]),
    unique=("email", UNIQUE_PROPERTY),
    searched=("firstname", "lastname", "email", "phone", "company"),
)
COMPANIES = ObjectType(
    name="companies",
    singular="company",
    type_id="0-2",
    defaults=("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
    modified="hs_lastmodifieddate",
    texts=frozenset(
        "name domain website phone industry type address address2 city state zip country description "
        f"lifecyclestage hubspot_owner_id linkedin_company_page timezone closedate {UNIQUE_PROPERTY}".split()
    ),
    numbers=frozenset(["annualrevenue", "numberofemployees", "founded_year"]),
    unique=(UNIQUE_PROPERTY,),
    searched=("name", "domain", "website", "phone"),
)
DEALS = ObjectType(
    name="deals",
    singular="deal",
    type_id="0-3",
    defaults=(
        "amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id",
        "pipeline",
    ),
    modified="hs_lastmodifieddate",
    texts=frozenset(
        "dealname dealstage pipeline closedate dealtype description hubspot_owner_id hs_priority "
        f"hs_next_step deal_currency_code closed_lost_reason closed_won_reason {UNIQUE_PROPERTY}".split()
    ),
    numbers=frozenset(["amount", "hs_forecast_amount", "hs_deal_stage_probability"]),
    unique=(UNIQUE_PROPERTY,),
    searched=("dealname", "pipeline", "dealstage", "description", "dealtype"),
)  # fmt: skip
_BY_NAME = {
    alias: kind for kind in (CONTACTS, COMPANIES, DEALS) for alias in (kind.name, kind.singular, kind.type_id)
}
# association type id -> (from, to): the HUBSPOT_DEFINED ones between the three types.
ASSOCIATION_TYPES: Mapping[int, tuple[str, str]] = {
    1: ("contacts", "companies"), 279: ("contacts", "companies"), 2: ("companies", "contacts"),
    280: ("companies", "contacts"), 3: ("deals", "contacts"), 4: ("contacts", "deals"),
    5: ("deals", "companies"), 341: ("deals", "companies"), 6: ("companies", "deals"),
    342: ("companies", "deals"),
}  # fmt: skip


def object_type(text: str) -> ObjectType:
    """The type of a name or type id in a path. Raises SandboxError (400)."""
    found = _BY_NAME.get(text.lower())
    if found is None:
        raise invalid(f"Unable to infer object type from: {text}")
    return found


def values(kind: ObjectType, data: Any, hub_id: int) -> dict[str, str | None]:
    """The property values as they are stored: texts, or None to clear. Raises SandboxError (400)."""
    if not isinstance(data, dict):
        raise invalid("properties must be an object")
    stored: dict[str, str | None] = {}
    problems = []
    for name, value in data.items():
        text, problem = _value(kind, name, value)
        if problem is not None:
            error, message = problem
            problems.append(
                {
                    "isValid": False,
                    "message": message,
                    "error": error,
                    "name": name,
                    "localizedErrorMessage": message,
                    "portalId": hub_id,
                }
            )
        stored[name] = text
    if problems:
        raise invalid_properties(problems)
    return stored


def _value(kind: ObjectType, name: str, value: Any) -> tuple[str | None, tuple[str, str] | None]:
    if not kind.knows(name):
        return None, ("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
    if name in kind.read_only:
        return None, ("READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.')
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = f"{value}"
    if value is None or value == "":
        return None, None
    if not isinstance(value, str) or len(value) > MAX_VALUE_CHARACTERS:
        return None, ("INVALID_VALUE", f"The value of {name} must be a text")
    if name == "email":
        value = value.strip().lower()
        if not _EMAIL.fullmatch(value):
            return None, ("INVALID_EMAIL", f"Email address {value} is invalid")
    if name in kind.numbers and not _NUMBER.fullmatch(value):
        return None, ("INVALID_INTEGER", f"{value} was not a valid number.")
    return value, None


def conflict(kind: ObjectType, existing_id: str) -> SandboxError:
    """409: another record has the unique value."""
    return SandboxError(
        409,
        {
            "status": "error",
            "message": f"{kind.singular.capitalize()} already exists. Existing ID: {existing_id}",
            "category": "CONFLICT",
        },
    )

"""SealedField: a model field whose column holds ciphertext and whose value is a lazy Sealed.

It is djfernet-redux's EncryptedField with another life of the value: each value is sealed under a key derived
from its own place (see keyring), and sealed and opened by the value rather than by the field. What is kept is
the binary column, the refusal of lookups, indexes and uniqueness.

The place is "db_table.column:pk". Renaming a table or a column that holds sealed values therefore needs a
data migration which seals them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.core import checks
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.db import models
from django.db.models.expressions import Case, Value, When
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from django.db.models.query_utils import DeferredAttribute

from sealing.forms import SealedFormField
from sealing.sealed import Sealed
from sealing.secret import Secret

_ST = TypeVar("_ST", contravariant=True)
_GT = TypeVar("_GT", covariant=True)

if TYPE_CHECKING:
    _Base = models.Field
else:
    from fernet_fields import EncryptedField

    class _Base(EncryptedField):
        """Generic for the type checker only, which reads from it whether a column may be None."""

        def __class_getitem__(cls, _):
            return cls


_FIXTURE_PREFIX = "sealed:"


class SealedAttribute(DeferredAttribute):
    """`instance.field`: None, or a Sealed bound to the instance's row. A Secret is sealed when first read."""

    field: SealedField

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        if instance is None:
            return self
        value = super().__get__(instance, cls)
        if isinstance(value, Secret):
            value = instance.__dict__[self.field.attname] = self.field.seal(
                value, pk=self.field.row_pk_of(instance)
            )
        elif isinstance(value, Sealed) and not value.is_bound:
            value = value.bind(self.field.row_pk_of(instance))
            if not instance._state.adding:
                instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        self.field.refuse_unless_assignable(value, instance)
        instance.__dict__[self.field.attname] = value


class SealedField(_Base[_ST, _GT]):
    """A secret string at rest. Assign a Secret; read a Sealed; `blank` follows `null` unless given.

    The row's primary key must be known before it is saved (client-made UUIDs).
    """

    description = "Sealed secret"
    descriptor_class = SealedAttribute
    empty_strings_allowed = False

    if TYPE_CHECKING:
        _pyi_private_set_type: Secret | Sealed
        _pyi_private_get_type: Sealed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("blank", kwargs.get("null", False))
        if "db_default" in kwargs:
            raise ImproperlyConfigured("SealedField does not support db_default.")
        super().__init__(*args, **kwargs)

    # --- the place of a value ---------------------------------------------------------------------------
    @property
    def place(self) -> str:
        """ "db_table.column"."""
        return f"{self.model._meta.db_table}.{self.column}"

    def row_pk(self, pk: Any) -> Any:
        """The primary key in the one form that contexts are written in."""
        return self.model._meta.pk.to_python(pk)

    def row_pk_of(self, instance: models.Model) -> Any:
        """The instance's key in the table of this field; None when it is not known yet."""
        field: Any = self.model._meta.pk
        pk = instance.__dict__.get(field.attname)
        while (
            pk is None and field.remote_field is not None
        ):  # a child's link to its parent, before it is saved
            field = field.target_field
            pk = instance.__dict__.get(field.attname)
        return self.row_pk(pk)

    def seal(self, secret: Secret, *, pk: Any) -> Sealed:
        """Seal for this column of the row pk. Raises ValueError without a pk."""
        if pk is None:
            raise ValueError(f"{self} seals for one row: its primary key must be set first.")
        return Sealed.make(secret, column=self.place, pk=self.row_pk(pk))

    # --- what may be assigned, and what may be saved ------------------------------------------------------
    def refuse_unless_assignable(self, value: Any, instance: models.Model) -> None:
        """Raise TypeError for what is no secret, ValueError for a Sealed of another place."""
        if value is None or isinstance(value, Secret):
            return
        if not isinstance(value, Sealed):
            raise TypeError(f"{self} takes a Secret, not {type(value).__name__}: wrap it, Secret(value).")
        self._refuse_other_column(value)
        if value.is_bound:
            self._refuse_other_row(value, self.row_pk_of(instance))
        elif not instance._state.adding:
            raise ValueError(f"{self} takes a Sealed that knows its row: call bind(pk) first.")

    def _refuse_other_column(self, value: Sealed) -> None:
        if value.column != self.place:
            raise ValueError(f"A value sealed for {value.column} does not open in {self.place}.")

    def _refuse_other_row(self, value: Sealed, pk: Any) -> None:
        if pk is not None and str(value.pk) != str(pk):
            raise ValueError(f"A value sealed for {value.context} does not open in the row {pk}.")

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        held = model_instance.__dict__.get(self.attname)
        if isinstance(held, Sealed) and not held.is_bound and model_instance._state.adding:
            # A loaded row is not "adding": this one came from values() and may be of any row.
            raise ValueError(f"{self} takes a Sealed that knows its row: call bind(pk) first.")
        value = super().pre_save(model_instance, add)
        if isinstance(value, Sealed):
            self._refuse_other_row(value, self.row_pk_of(model_instance))
        return value

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            # Not super(): it would turn the expression into text and encrypt that (bulk_update).
            self._refuse_unless_sealed(value)
            return value
        return self.get_db_prep_value(value, connection)

    def _refuse_unless_sealed(self, expression: Any) -> None:
        """Raise FieldError unless all that the expression can yield is NULL or sealed for this column."""
        if isinstance(expression, Cast):
            self._refuse_unless_sealed(expression.get_source_expressions()[0])
        elif isinstance(expression, Case):
            for branch in [*expression.cases, expression.default]:
                self._refuse_unless_sealed(branch)
        elif isinstance(expression, When):
            self._refuse_unless_sealed(expression.result)
        elif not isinstance(expression, Value) or not self._is_storable(expression):
            raise FieldError(f"{self} cannot be set from an expression: use update(…=seal(…)).")

    def _is_storable(self, expression: Value) -> bool:
        if expression.value is None:
            return True
        return isinstance(expression.value, Sealed) and expression.output_field == self

    # --- to and from the database -------------------------------------------------------------------------
    def get_prep_value(self, value: Any) -> Any:
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None:
            return None
        if not isinstance(value, Sealed):
            raise TypeError(f"{self} stores a Sealed, not {type(value).__name__}: use seal(…).")
        self._refuse_other_column(value)
        return connection.Database.Binary(value.ciphertext)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Sealed | None:
        if value is None:
            return None
        # SQLite keeps what was put in, of any type: that must load too, and then not open.
        raw = bytes(value) if isinstance(value, bytes | bytearray | memoryview) else str(value).encode()
        return Sealed(raw, column=self.place)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name not in {"isnull", EqualsNull.lookup_name, StoredAs.lookup_name}:
            raise FieldError(f"{self} is sealed: only isnull can be asked of it, not {lookup_name}.")
        return super().get_lookup(lookup_name)

    # --- fixtures, forms, checks --------------------------------------------------------------------------
    def to_python(self, value: Any) -> Any:
        """A fixture's text back to a Sealed; everything else as it is."""
        if not isinstance(value, str):
            return value
        if not value.startswith(_FIXTURE_PREFIX):
            raise ValidationError(f"A sealed value of {self} was expected.", code="invalid")
        return Sealed(value.removeprefix(_FIXTURE_PREFIX).encode(), column=self.place)

    def value_to_string(self, obj: models.Model) -> str:
        """The ciphertext. It opens again in a row of the same primary key, under the same keys."""
        sealed: Sealed | None = getattr(obj, self.attname)
        return (
            "" if sealed is None else _FIXTURE_PREFIX + sealed.ciphertext.decode("ascii", "backslashreplace")
        )

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        if data is not None:
            super().save_form_data(instance, data)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": SealedFormField, **kwargs})

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        return [*super().check(**kwargs), *self._check_pk()]

    def _check_pk(self) -> list[checks.CheckMessage]:
        pk = self.model._meta.pk
        while isinstance(pk, models.ForeignKey):
            pk = pk.target_field
        if not isinstance(pk, models.AutoField):
            return []
        return [
            checks.Error(
                "A SealedField needs a primary key that is known before the row is saved.",
                hint="Use models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False).",
                obj=self,
                id="sealing.E001",
            )
        ]


def sealed_field(model: type[models.Model], name: str) -> SealedField[Any, Any]:
    """The named field. Raises FieldDoesNotExist, and TypeError when it is no SealedField."""
    field = model._meta.get_field(name)
    if not isinstance(field, SealedField):
        raise TypeError(f"{model._meta.label}.{name} is not a SealedField.")
    return field


@SealedField.register_lookup
class EqualsNull(Exact):
    """`field=None`, which Django turns into isnull; `field=value` is refused."""

    def get_prep_lookup(self) -> Any:
        if self.rhs is not None:
            raise FieldError(f"{self.lhs.output_field} is sealed: it cannot be compared with a value.")
        return None


@SealedField.register_lookup
class StoredAs(Exact):
    """`field__stored_as=sealed`: the column holds exactly this ciphertext. For compare and swap."""

    lookup_name = "stored_as"

    def get_prep_lookup(self) -> Any:
        if not isinstance(self.rhs, Sealed):
            raise FieldError("stored_as compares with a Sealed.")
        return self.rhs

    def get_rhs_op(self, connection: Any, rhs: str) -> str:
        return f"= {rhs}"

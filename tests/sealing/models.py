"""Tables with sealed columns in every shape that the field promises to bear.

Each names its app, since test modules import them before the package's fixture installs it.
"""

import uuid

from django.db import models

from sealing import SealedField


class Account(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=50, default="a")
    token = SealedField(null=True)
    other = SealedField(null=True)

    class Meta:
        app_label = "sealing_tests"

    def __str__(self):
        return self.name


class Invoice(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE)

    class Meta:
        app_label = "sealing_tests"

    def __str__(self):
        return "invoice"


class SpecialAccount(Account):
    extra = SealedField(null=True)

    class Meta:
        app_label = "sealing_tests"


class AccountProxy(Account):
    class Meta:
        app_label = "sealing_tests"
        proxy = True


class WithSecret(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    secret = SealedField(null=True)

    class Meta:
        abstract = True


class Inheritor(WithSecret):
    required = SealedField(db_column="must")

    class Meta:
        app_label = "sealing_tests"

    def __str__(self):
        return "inheritor"

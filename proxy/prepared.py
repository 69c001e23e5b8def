"""Queries that are put into SQL once and then asked with other values.

Django builds a query anew each time it is asked, which takes five to ten times as long as SQLite takes to
answer it. Here it is built once for each thread, with a mark in the place of each value that changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connections, models
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=models.Model)
Made = Callable[..., models.QuerySet[M]]


class Mark(NamedTuple):
    """What stands for a value while the query is built, and the field that says how a database takes it."""

    value: Any
    field: models.Field[Any, Any]


class Prepared(Generic[M]):
    """A query of whole models, with select_related() if need be; no annotations, no prefetching.

    make is called with the marks' values by name. Each of them must come out among the query's parameters
    as it went in, and equal nothing else there.
    """

    def __init__(self, make: Made[M], **marks: Mark) -> None:
        self._make = make
        self._marks = marks
        self._here = threading.local()

    def rows(self, **values: Any) -> list[M]:
        """The models that the query finds with these values in the places of the marks."""
        built: _Built[M] | None = getattr(self._here, "built", None)
        if built is None:
            built = self._here.built = _Built(self._make, self._marks)
        return built.rows(values)


class _Built(Generic[M]):
    """For one thread: a compiler belongs to that thread's database connection."""

    def __init__(self, make: Made[M], marks: dict[str, Mark]) -> None:
        queryset = make(**{name: mark.value for name, mark in marks.items()})
        self._connection = connections[queryset.db]
        compiler = queryset.query.get_compiler(connection=self._connection)
        self._sql, parameters = compiler.as_sql()
        self._parameters = list(parameters)
        self._places = {name: self._places_of(mark) for name, mark in marks.items()}
        self._fields = {name: mark.field for name, mark in marks.items()}
        columns = [chosen[0] for chosen in compiler.select]
        self._converters = compiler.get_converters(columns)
        self._compiler = compiler
        klass_info = compiler.klass_info
        chosen = klass_info["select_fields"]
        self._model: type[M] = klass_info["model"]
        self._start, self._end = chosen[0], chosen[-1] + 1
        self._names = [column.target.attname for column in columns[self._start : self._end]]
        self._populators = get_related_populators(  # type: ignore[call-arg]  # the stubs are a later Django's
            klass_info, compiler.select, queryset.db
        )

    def _places_of(self, mark: Mark) -> list[int]:
        wanted = self._prepared(mark.field, mark.value)
        places = [at for at, value in enumerate(self._parameters) if value == wanted]
        if not places:
            raise ValueError(f"The query has no parameter {mark.value!r}.")
        return places

    def _prepared(self, field: models.Field[Any, Any], value: Any) -> Any:
        return field.get_db_prep_value(value, self._connection)

    def rows(self, values: dict[str, Any]) -> list[M]:
        parameters = self._parameters.copy()
        for name, places in self._places.items():
            value = self._prepared(self._fields[name], values[name])
            for place in places:
                parameters[place] = value
        with self._connection.cursor() as cursor:
            cursor.execute(self._sql, parameters)
            found = cursor.fetchall()
        return [self._model_of(row) for row in self._compiler.apply_converters(found, self._converters)]

    def _model_of(self, row: list[Any]) -> M:
        made = self._model.from_db(self._connection.alias, self._names, row[self._start : self._end])
        for populator in self._populators:
            populator.populate(row, made)
        return made

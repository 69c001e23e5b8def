"""The CRM object API: contacts, companies and deals, under the numbered and the dated paths."""

from sandbox.crm import basic, batch, search

ROUTES = [*batch.ROUTES, *search.ROUTES, *basic.ROUTES]

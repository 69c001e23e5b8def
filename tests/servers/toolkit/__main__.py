"""Make the database and the customer, then serve. Arguments: port, login, password, name."""

import sys

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.servers.basehttp import run
from django.core.wsgi import get_wsgi_application


def main(port: str, login: str, password: str, name: str) -> None:
    application = get_wsgi_application()
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_user(login, password=password, first_name=name, is_staff=True)
    run("127.0.0.1", int(port), application, threading=True)


main(*sys.argv[1:])

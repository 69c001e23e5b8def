"""`make chaos`: many calls on one expired token, over real processes that are killed at the worst moments.

hooked     a process of the product that dies, by SIGKILL, where it is told to
inside     the installation's own eyes: its rows, its broker
stack      the processes of one installation, its database, its Redis, and the provider
callers    the clients: many at once, and each tries again when its connection breaks
scenarios  what is run; experiment carries one of them out; judgement says what must hold
"""

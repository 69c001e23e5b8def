"""Everything that leaves the machine: one URL parser, destination and address checks, two clients.

`urls` parses, `hosts` says which origin servers are allowed, `addresses` which addresses are public,
`upstream_map` where a socket is opened in development. `sync` is the client for `requests` and
`requests-oauthlib`, `aio` the one of the proxy. Both keep the same rules: addresses are checked when the
socket opens and the checked address is the one connected to; no redirects, no cookie jar, no netrc, no
proxies from the environment; every wait has an end. A leaf: imports nothing else of the project.
"""

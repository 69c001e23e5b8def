"""`python -m benchmarks.refreshes.verify SANDBOX_URL`: compare what is stored with what the sandbox gave; JSON.

The sandbox ends a refresh token at its first use. So each connection must have used exactly one, and must
hold the one that lives: anything else is a grant lost or a refresh done twice.
"""

from __future__ import annotations

import json
import sys

import django

from benchmarks.refreshes.provider import Control


def main() -> None:
    django.setup()
    from integrations.models import Connection

    control = Control(sys.argv[1])
    tokens = control("GET", "/_control/state")["refreshTokens"]
    living = {row["token"] for row in tokens if not row["rotated"]}
    requests = control("GET", "/_control/requests?path=/oauth/")
    held = [
        row.refresh_token.open().reveal() if row.refresh_token else ""
        for row in Connection.objects.only("pk", "refresh_token").iterator(chunk_size=500)
    ]
    versions = list(Connection.objects.values_list("token_version", flat=True))
    print(
        json.dumps(
            {
                "connections": len(held),
                "token_requests": len(requests),
                "rotated": len(tokens) - len(living),
                "lost": sum(token not in living for token in held),
                "refreshed_twice": sum(version > 2 for version in versions),
                "left_out": sum(version < 2 for version in versions),
                "active": Connection.objects.filter(status="active").count(),
            }
        )
    )


if __name__ == "__main__":
    main()

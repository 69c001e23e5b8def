"""Hostile paths: what may stand after the identifier in a passthrough URL, and as a path in `url`."""

from tests.proxy.hostile.rows import Row, bad, denied, lands, unparsed

DOT_SEGMENTS = [
    bad("dots", "/../oauth/v1/token", "above the base"),
    bad("dots-inside", "/crm/../oauth/v1/token", "beside the path"),
    bad("dots-last", "/crm/..", "at the end"),
    bad("dot-one", "/./oauth/v1/token", "nothing, to a server that resolves it"),
    bad("dots-encoded", "/%2e%2e/oauth/v1/token", "decoded by the server"),
    bad("dots-half", "/.%2e/oauth/v1/token", "one of them decoded"),
    bad("dots-capital", "/%2E%2E/oauth/v1/token", "capitals"),
    bad("dots-slash", "/crm/..%2foauth/v1/token", "an encoded slash ends the segment"),
    bad("dots-all", "/crm%2f%2e%2e%2foauth", "everything encoded"),
    bad("dots-backslash", "/crm/..\\oauth/v1/token", "a backslash ends it for some"),
    bad("dots-encoded-backslash", "/crm/..%5coauth/v1/token", "encoded"),
    bad("dots-parameter", "/crm/..;/oauth/v1/token", "a path parameter, cut off by Java servers"),
    bad("dots-parameter-text", "/crm/..;x=1/oauth", "the same with text"),
    bad("dots-identifier", "/../other-customer/crm", "another customer's calls, if resolved here"),
    denied("dots-twice", "/crm/%252e%252e/oauth/v1/token", "decoded twice on the other side"),
    denied("dots-overlong", "/x/%c0%ae%c0%ae/oauth/v1/token", "overlong UTF-8"),
    denied("dots-full-width", "/x/%ef%bc%8e%ef%bc%8e/oauth/v1", "full-width dots"),
    denied("dots-nul", "/x/.%00./oauth/v1/token", "a NUL between them, skipped by some"),
    lands("dots-three", "/.../x", "/.../x", "three dots are a name"),
    lands("dots-name", "/a..b/.well-known", "/a..b/.well-known", "dots within a name"),
    lands("dots-only-twice", "/%252e%252e/x", "/%252e%252e/x", "one decoding gives %2e%2e, no dots"),
]

SLASHES = [
    lands("slash-encoded", "/a%2Fb", "/a%2Fb", "a slash that divides nothing"),
    lands("slash-inside", "/crm//v3", "/crm//v3", "an empty segment"),
    lands("slash-last", "/crm/", "/crm/", "nothing is redirected"),
    bad("slash-back", "/crm\\v3", "a slash to some"),
    lands("slash-back-encoded", "/a%5cb", "/a%5cb", "encoded, it is a character"),
    lands("slash-full-width", "/a%ef%bc%8fb", "/a%ef%bc%8fb", "a full-width slash is a character"),
]

TEXT = [
    lands("text-url", "/https://evil.example/x", "/https://evil.example/x", "an absolute URL (PRX-11)"),
    lands("text-at", "/@evil.example/", "/@evil.example/", "user information, if glued to a host"),
    lands("text-port", "/:8443@evil.example", "/:8443@evil.example", "a port, if glued to a host"),
    lands("text-scheme", "/http:evil.example", "/http:evil.example", "a scheme without slashes"),
    lands("text-line", "/a%0d%0aX:%20y", "/a%0d%0aX:%20y", "an encoded line break stays encoded"),
    lands("text-nul", "/a%00b", "/a%00b", "an encoded NUL stays encoded"),
    lands("text-percent", "/a%zzb%", "/a%zzb%", "escapes that are none"),
    lands("text-template", "/{client_id}/${x}", "/{client_id}/${x}", "placeholders are filled by nobody"),
    lands("text-semicolon", "/a;jsessionid=1/b", "/a;jsessionid=1/b", "a path parameter"),
    lands(
        "text-query", "/x?u=//evil.example&h=%2e%2e", "/x?u=//evil.example&h=%2e%2e", "a query is not a place"
    ),
    lands("text-question", "/x??a=1?b", "/x??a=1?b", "the first question mark counts"),
    lands("text-encoded-question", "/oauth-x%3fa", "/oauth-x%3fa", "an encoded one does not"),
]

CLOSED = [
    denied("closed-token", "/oauth/v1/token", "exchanges codes with the app's secret"),
    denied("closed-token-v3", "/oauth/v3/token", "a later version"),
    denied("closed-token-dated", "/oauth/2026-03/token", "and a dated one"),
    denied("closed-introspect", "/oauth/2026-03/token/introspect", "tells of other customers' tokens"),
    denied("closed-revoke", "/oauth/v1/refresh-tokens/x", "ends the grant"),
    denied("closed-uninstall", "/appinstalls/v3/external-install", "uninstalls the app"),
    denied("closed-webhooks", "/webhooks/v3/1/settings", "the app's own webhooks"),
    denied("closed-journal", "/webhooks-journal/journal/v4/latest", "every customer's events"),
    denied("closed-case", "/OAuth/v1/token", "capitals"),
    denied("closed-upper", "/OAUTH/V1/TOKEN", "all of them"),
    denied("closed-encoded", "/%6fauth/v1/token", "one letter encoded"),
    denied("closed-all-encoded", "/%6f%61%75%74%68/v1/token", "all letters encoded"),
    denied("closed-capital-encoded", "/%4fauth/v1/token", "an encoded capital"),
    denied("closed-twice", "/%256fauth/v1/token", "encoded twice"),
    denied("closed-thrice", "/%25256fauth/v1/token", "three times"),
    denied("closed-many", f"/%{'25' * 7}6fauth/v1/token", "eight times"),
    denied("closed-endless", f"/%{'25' * 40}6fauth/v1/token", "more often than anybody decodes"),
    denied("closed-slash", "/oauth%2fv1%2ftoken", "encoded slashes"),
    denied("closed-slash-twice", "/oauth%252fv1%252ftoken", "encoded twice"),
    denied("closed-slashes", "/oauth//v1/token", "an empty segment"),
    denied("closed-backslash", "/oauth%5cv1%5ctoken", "encoded backslashes"),
    denied("closed-parameter", "/oauth;x=1/v1/token", "a path parameter"),
    denied("closed-parameter-empty", "/oauth;/v1/token", "an empty one"),
    denied("closed-parameter-encoded", "/oauth%3bx/v1/token", "an encoded one"),
    denied("closed-parameter-first", "/;x/oauth/v1/token", "a segment of parameters alone"),
    denied("closed-full-width", "/%ef%bd%8fauth/v1/token", "a full-width letter"),
    denied("closed-overlong", "/%c1%afauth/v1/token", "overlong UTF-8 in two bytes"),
    denied("closed-overlong-three", "/%e0%81%afauth/v1/token", "in three"),
    denied("closed-overlong-four", "/%f0%80%81%afauth/v1/token", "in four"),
    denied("closed-overlong-slash", "/oauth%c0%afv1/token", "an overlong slash"),
    denied("closed-percent-u", "/%u006fauth/v1/token", "the old %u form"),
    denied("closed-percent-u-slash", "/oauth%u002fv1/token", "and its slash"),
    denied("closed-nul", "/oauth%00/v1/token", "a NUL, skipped by some"),
    denied("closed-tab", "/o%09auth/v1/token", "a tab, skipped by some"),
    denied("closed-blank", "/%20oauth/v1/token", "a blank, trimmed by some"),
    denied("closed-blank-last", "/oauth%20/v1/token", "and at the end"),
    denied("closed-soft-hyphen", "/o%c2%adauth/v1/token", "a soft hyphen, dropped by some"),
    denied("closed-zero-width", "/o%e2%80%8bauth/v1/token", "a zero-width space"),
    denied("closed-long-s", "/app%c5%bfinstall/..%252f..%252foauth/x", "dots behind two encodings"),
    denied("closed-no-version", "/oauth/", "the prefix alone"),
    denied("closed-query", "/oauth/v1/token?grant_type=refresh_token", "with a query"),
    denied("closed-extension", "/webhooks/v3.json/x", "below the prefix"),
    denied("closed-dot-last", "/oauth./v1/token", "a dot at a segment's end, dropped by Windows servers"),
    denied("closed-dot-encoded", "/oauth%2e/v1/token", "the same, encoded"),
    denied("closed-dots-last", "/oauth.../v1/token", "several of them"),
    denied("closed-dot-blank", "/oauth.%20/v1/token", "a dot and a blank"),
    denied("closed-nested", "/%25%36%66auth/v1/token", "escapes made of escapes"),
    lands("closed-not-quite", "/oauthx/v1", "/oauthx/v1", "only begins alike"),
    lands("closed-inside", "/crm/v3/oauth/x", "/crm/v3/oauth/x", "not at the root"),
    lands(
        "closed-in-query", "/crm?next=/oauth/v1/token", "/crm?next=/oauth/v1/token", "a query is not a path"
    ),
]

ROWS: list[Row] = [*DOT_SEGMENTS, *SLASHES, *TEXT, *CLOSED]
#: only in a passthrough: an envelope's `url` that begins so is refused, since a reader may take it for a host
PASSTHROUGH_ROWS: list[Row] = [
    lands(
        "only-two-slashes",
        "//evil.example/x",
        "//evil.example/x",
        "scheme-relative, glued to a base it is a path",
    ),
    lands("only-three-slashes", "///evil.example", "///evil.example", "and with one more"),
    denied("only-closed-slashes", "//oauth/v1/token", "an empty segment before a closed path"),
    denied("only-closed-more", "////oauth//v1/token", "and several"),
    unparsed("only-fragment", "/crm#/x", "a raw # is in no request target (RFC 9112 section 3.2)"),
]

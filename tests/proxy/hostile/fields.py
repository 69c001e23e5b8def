"""Hostile header fields: `Patchbay-Host` in every bad form, and fields by which servers route."""

from tests.proxy.hostile.rows import PAGE, Row, bad, denied, lands, none, unparsed

FORMS = "https://api.hsforms.com"
#: values of Patchbay-Host, as bytes in latin-1; the call's path is /x
HOSTS: list[Row] = [
    denied("host-other", "evil.example", "somebody else's"),
    denied("host-suffix", "api.hsforms.com.evil.example", "begins like the allowed one"),
    denied("host-glued", "evilapi.hsforms.com", "ends like it"),
    denied("host-child", "x.api.hsforms.com", "below it"),
    denied("host-url", "https://api.hsforms.com", "a URL is no host"),
    denied("host-path", "api.hsforms.com/x", "a path after it"),
    denied("host-slash", "api.hsforms.com/", "a slash after it"),
    denied("host-relative", "//api.hsforms.com", "slashes before it"),
    denied("host-query", "api.hsforms.com?x", "a query after it"),
    denied("host-fragment", "evil.example#api.hsforms.com", "a fragment"),
    denied("host-userinfo", "api.hsforms.com@evil.example", "user information"),
    denied("host-port", "api.hsforms.com:8443", "another port"),
    denied("host-port-own", "api.hsforms.com:443", "a port has no place here"),
    denied("host-port-zero", "api.hsforms.com:0", "no port"),
    denied("host-port-empty", "api.hsforms.com:", "a colon"),
    denied("host-list", "api.hsforms.com, evil.example", "a list"),
    denied("host-words", "api.hsforms.com evil.example", "two words"),
    denied("host-empty", "", "nothing"),
    denied("host-dot", ".", "the root"),
    denied("host-dots", "api.hsforms.com..", "an empty label"),
    denied("host-dot-first", ".api.hsforms.com", "an empty label"),
    denied("host-backslash", "evil.example\\.api.hsforms.com", "a backslash"),
    denied("host-encoded", "api%2ehsforms.com", "an escape"),
    denied("host-quoted", '"api.hsforms.com"', "quotes"),
    denied("host-wildcard", "*.hsforms.com", "a pattern"),
    denied("host-template", "{host}", "a placeholder"),
    denied("host-localhost", "localhost", "this machine"),
    denied("host-ipv4", "127.0.0.1", "this machine"),
    denied("host-metadata", "169.254.169.254", "a cloud's secrets"),
    denied("host-decimal", "2130706433", "an address as one number"),
    denied("host-octal", "0177.0.0.1", "in octal"),
    denied("host-hex", "0x7f.1", "in hexadecimal"),
    denied("host-ipv6", "[::1]", "this machine"),
    denied("host-ipv6-bare", "::1", "without brackets"),
    denied("host-mapped", "[::ffff:127.0.0.1]", "IPv4-mapped"),
    denied("host-punycode", "xn--pi-7kc.hsforms.com", "a homograph"),
    denied("host-fake-punycode", "xn--api-.hsforms.com", "an A-label of plain ASCII"),
    denied("host-full-width", "\xef\xbd\x81pi.hsforms.com", "UTF-8 of a full-width a"),
    denied("host-cyrillic", "\xd0\xb0pi.hsforms.com", "UTF-8 of a Cyrillic a"),
    denied("host-latin-1", "\xe0pi.hsforms.com", "one byte that is not ASCII"),
    denied("host-tab", "api.hsforms\t.com", "a tab inside"),
    denied("host-long", "a" * 5000, "a name without end"),
    unparsed("host-nul", "api.hsforms.com\x00.evil.example", "C ends the name at the NUL"),
    unparsed("host-line", "api.hsforms.com\nX-Y: evil", "a bare LF"),
    lands("host-upper", "API.HSFORMS.COM", FORMS + "/x", "letter case means nothing"),
    lands("host-absolute", "api.hsforms.com.", FORMS + "/x", "the absolute name"),
    lands(
        "host-blanks", "   api.hsforms.com  ", FORMS + "/x", "white space round a field's value is none of it"
    ),
]

API = "https://api.hubapi.com/x"
#: whole fields; a call of /x with them arrives at the API's /x, and none of them goes on, or is refused
FIELDS: list[Row] = [
    lands("field-original-url", "X-Original-URL: /oauth/v1/token", API, "some servers route by it"),
    lands("field-underscore", "Patchbay_Host: evil.example", API, "the same name behind CGI"),
    lands(
        "field-original-url-underscore", "X_Original_URL: /oauth/v1/token", API, "the same name behind CGI"
    ),
    lands("field-rewrite-url", "X-Rewrite-URL: /oauth/v1/token", API, "and by this one"),
    lands("field-forwarded-host", "X-Forwarded-Host: evil.example", API, "links are made with it"),
    lands("field-forwarded-server", "X-Forwarded-Server: evil.example", API, "the same"),
    lands("field-forwarded-proto", "X-Forwarded-Proto: http", API, "redirects are made with it"),
    lands("field-forwarded-port", "X-Forwarded-Port: 8443", API, "the same"),
    lands("field-forwarded-prefix", "X-Forwarded-Prefix: /oauth", API, "a path in front"),
    lands("field-forwarded-path", "X-Forwarded-Path: /oauth/v1/token", API, "another path"),
    lands("field-forwarded-uri", "X-Forwarded-Uri: /oauth/v1/token", API, "another path"),
    lands("field-forwarded", "Forwarded: host=evil.example", API, "RFC 7239"),
    lands("field-cookie", "Cookie: session=1", API, "the partner's own"),
    lands("field-proxy-authorization", "Proxy-Authorization: Basic eDp5", API, "for the next hop alone"),
    lands("field-proxy-connection", "Proxy-Connection: keep-alive", API, "for the next hop alone"),
    lands(
        "field-connection-authorization", "Connection: authorization", API, "would name the credential away"
    ),
    lands("field-connection-host", "Connection: host, content-length", API, "would name the framing away"),
    lands("field-keep-alive", "Keep-Alive: timeout=600", API, "for the next hop alone"),
    lands("field-te", "TE: trailers", API, "for the next hop alone"),
    lands("field-via", "Via: 1.1 evil", API, "ours to write"),
    lands("field-unknown-control", "Patchbay-Target: https://evil.example", API, "no such field, and ours"),
    lands("field-control-url", "Patchbay-Url: https://evil.example", API, "no such field, and ours"),
    bad("field-retries", "Patchbay-Retries: 11", "beyond the limit"),
    bad("field-retries-sign", "Patchbay-Retries: +1", "a sign"),
    bad("field-retries-other-digit", "Patchbay-Retries: \xb2", "a superscript digit"),
    bad("field-timeout", "Patchbay-Timeout: 1e9", "an exponent"),
    bad("field-timeout-infinite", "Patchbay-Timeout: inf", "no end"),
    bad("field-timeout-nan", "Patchbay-Timeout: nan", "compares with nothing"),
    bad("field-timeout-zero", "Patchbay-Timeout: 0", "no time at all"),
    bad("field-connection-id", "Patchbay-Connection: ../x", "no UUID"),
    bad("field-host-twice", "Patchbay-Host: api.hsforms.com\r\nPatchbay-Host: evil.example", "which counts"),
    bad("field-latin-1", "X-Name: \xe9", "not ASCII"),
    bad("field-coding", "Transfer-Encoding: gzip, chunked", "a coding that is not undone here"),
    unparsed("field-name-blank", "X-Name : y", "a blank before the colon (RFC 9112 section 5.1)"),
    unparsed("field-no-colon", "X-Name", "no field at all"),
    unparsed("field-length-twice", "Content-Length: 0\r\nContent-Length: 5", "two lengths"),
    unparsed("field-length-sign", "Content-Length: +5", "a sign"),
    unparsed("field-length-and-coding", "Content-Length: 5\r\nTransfer-Encoding: chunked", "two framings"),
]

#: whole fields that mean nothing here: they go on, as the partner's own, and the call arrives at the API's /x
PASSED: list[Row] = [
    lands("field-host-override", "X-Host: evil.example", API, "an old override of Host"),
    lands("field-http-host", "X-HTTP-Host-Override: evil.example", API, "another one"),
    lands("field-original-host", "X-Original-Host: evil.example", API, "another one"),
    lands(
        "field-method-override", "X-HTTP-Method-Override: DELETE", API, "another method than the one logged"
    ),
    lands("field-method", "X-HTTP-Method: DELETE", API, "the same"),
    lands("field-method-override-short", "X-Method-Override: DELETE", API, "the same"),
    lands("field-base-url", "Base-Url-Override: https://evil.example", API, "another proxy's field"),
]

#: whole request targets, after the method
TARGETS: list[Row] = [
    lands(
        "target-absolute",
        "https://evil.example/proxy/hbdev/cust/x",
        API,
        "absolute form (RFC 9112 section 3.2.2)",
    ),
    lands("target-absolute-user", "http://a:b@evil.example/proxy/hbdev/cust/x", API, "with a user"),
    lands("target-identifier-encoded", "/proxy/hbdev/%63ust/x", API, "the identifier is decoded once"),
    lands("target-slug-encoded", "/proxy/hb%64ev/cust/x", API, "and so is the slug"),
    lands("target-query", "/proxy/hbdev/cust/x?", API, "a bare question mark is lost"),
]
#: targets that are no proxied call of the customer: the answer is ours
NO_TARGETS: list[Row] = [
    unparsed("target-fragment", "/proxy/hbdev/cust/x#@evil.example", "a fragment"),
    none("target-identifier-slash", "/proxy/hbdev/cu%2Fst/x", "another identifier", "connection_not_found"),
    bad("target-identifier-dots", "/proxy/hbdev/%2e%2e/x", "no identifier"),
    bad("target-identifier-raw-dots", "/proxy/hbdev/../hbdev/cust/x", "no identifier"),
    bad("target-identifier-empty", "/proxy/hbdev//x", "no identifier"),
    bad("target-identifier-utf-8", "/proxy/hbdev/%ff/x", "not UTF-8"),
    bad("target-identifier-nul", "/proxy/hbdev/cust%00/x", "a NUL"),
    none("target-identifier-blank", "/proxy/hbdev/cust%20/x", "another identifier", "connection_not_found"),
    none("target-slug-slash", "/proxy/hbdev%2Fcust/x", "the slash divides nothing"),
    none("target-slug-dots", "/proxy/%2e%2e/x/y", "no slug"),
    none("target-root-encoded", "/%70roxy/hbdev/cust/x", "begins with /proxy/ only once it is decoded"),
    none("target-root-slashes", "//proxy/hbdev/cust/x", "an empty segment first", PAGE),
    none("target-root-case", "/Proxy/hbdev/cust/x", "a path has letter case", PAGE),
    bad("target-second-door", "/proxy/hbdev/~/x", "no connection named"),
    none("target-other-host", "https://evil.example/x", "not our path", PAGE),
    unparsed("target-authority", "evil.example:443", "authority form is for CONNECT"),
    none("target-asterisk", "*", "asterisk form is for OPTIONS", PAGE),
    unparsed("target-backslash", "\\proxy\\hbdev\\cust\\x", "backslashes are not slashes"),
]

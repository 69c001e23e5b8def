"""What can go wrong on the way out; one class per thing a caller does about it.

EgressError
├── DestinationRefused     never sent: the URL, host or address is not allowed
│   ├── InvalidUrl         never sent: the text is no URL of ours
│   └── InvalidRequest     the method, a header field or the content cannot be sent
├── ConnectFailed          nothing was sent: safe to repeat
│   └── ConnectTimeout
├── ReplyLost              sent, outcome unknown: `timed_out` tells a slow server from a broken one
│   ├── HeadersTimeout     no response header section in time
│   └── ReplyAborted       broke off after the header section
├── ContentTooLarge        cut at the caller's limit
└── InvalidReply           not HTTP, or HTTP that cannot be read

`proxy_error` is the error type of RFC 9209 section 2.3 that fits. The classes derive from requests'
RequestException so that code written against requests (requests-oauthlib) treats them as its own. Messages
name hosts and reasons, never a path, query, header or content.
"""

from requests.exceptions import RequestException


class EgressError(RequestException):
    """An outgoing request that did not end in a usable reply. `reason` is a plain sentence."""

    proxy_error = "proxy_internal_error"
    timed_out = False

    def __init__(self, reason: str, *, proxy_error: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        if proxy_error is not None:
            self.proxy_error = proxy_error


class DestinationRefused(EgressError):
    """Not sent: the destination is not allowed."""

    proxy_error = "destination_ip_prohibited"


class InvalidUrl(DestinationRefused, ValueError):
    """Not sent: the text cannot be read as a URL, or is written in a way that parsers disagree about."""

    proxy_error = "http_request_error"


class InvalidRequest(DestinationRefused):
    """Not sent, because HTTP cannot carry it; or broken off unfinished, because a streamed content was not
    of the length stated or stalled. The message names the field."""

    proxy_error = "http_request_error"


class ConnectFailed(EgressError):
    """Nothing was sent: no address, no connection or no TLS session."""

    proxy_error = "connection_refused"


class ConnectTimeout(ConnectFailed):
    """Nothing was sent: connecting took too long."""

    proxy_error = "connection_timeout"
    timed_out = True


class ReplyLost(EgressError):
    """The request, or a part of it, was sent and no full reply came: the outcome is unknown."""

    proxy_error = "connection_terminated"

    def __init__(self, reason: str, *, timed_out: bool = False, proxy_error: str | None = None) -> None:
        default = "http_response_timeout" if timed_out else self.proxy_error
        super().__init__(reason, proxy_error=proxy_error or default)
        self.timed_out = timed_out


class HeadersTimeout(ReplyLost):
    """Sent, and the response header section did not come in time."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, timed_out=True)


class ReplyAborted(ReplyLost):
    """The reply broke off, or stalled, after its header section."""

    proxy_error = "http_response_incomplete"


class ContentTooLarge(EgressError):
    """The reply's content is longer than the caller takes."""

    proxy_error = "http_response_body_size"


class InvalidReply(EgressError):
    """The reply is not HTTP, or its framing or coding cannot be read."""

    proxy_error = "http_protocol_error"

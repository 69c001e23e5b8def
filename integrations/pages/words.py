"""What the pages say, by reason code: what happened, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """A page that leads nowhere by itself; advice is a list of things that the reader can do."""

    heading: Text
    what_happened: Text
    advice: tuple[Text, ...]


_ASK_FOR_NEW = _("Go back to the app that sent you here and start again there; it makes a new link.")
_ASK_SENDER = _("If somebody sent you the link, ask them for a new one.")

UNUSABLE: Mapping[str, DeadEnd] = {
    "expired": DeadEnd(
        _("This link has expired"),
        _("Links work for a limited time only, for your safety. Nothing was connected through this one."),
        (_ASK_FOR_NEW, _ASK_SENDER),
    ),
    "used": DeadEnd(
        _("This link was used already"),
        _("The connection was made; a link works once only. If it was you, there is nothing left to do."),
        (_("If you want to connect once more, go back to the app and start again there."), _ASK_SENDER),
    ),
    "revoked": DeadEnd(
        _("This link was withdrawn"),
        _("Whoever made the link has taken it back. Nothing was connected."),
        (_ASK_FOR_NEW, _ASK_SENDER),
    ),
}

UNKNOWN_LINK = DeadEnd(
    _("There is no such link"),
    _("The address may have been cut short or mistyped, or the link is too old."),
    (_("Open the link once more from where you got it, and make sure that it is whole."), _ASK_FOR_NEW),
)

SWITCHED_OFF = DeadEnd(
    _("This cannot be connected at the moment"),
    _("It is switched off or not set up yet. Your link stays valid until it expires."),
    (_("Tell the people who run the app, then open the link again."),),
)

_OPEN_AGAIN = _("Go back to the app where you began, open the link again, and finish in the same browser.")

REFUSED: Mapping[str, DeadEnd] = {
    "no_state": DeadEnd(
        _("This did not start here"),
        _(
            "The provider sent you here without the mark that every connection begins with. Nothing was connected."
        ),
        (
            _("If you started at the provider, for instance in its app directory: begin in the app instead."),
            _OPEN_AGAIN,
        ),
    ),
    "unknown_state": DeadEnd(
        _("We do not know this attempt"),
        _("It may be too old, or the address was changed on the way. Nothing was connected."),
        (_OPEN_AGAIN,),
    ),
    "other_browser": DeadEnd(
        _("This was started in another browser"),
        _("For your safety a connection ends in the browser in which it began. Nothing was connected."),
        (
            _OPEN_AGAIN,
            _("If somebody sent you this address, do not use it: ask for a link of your own."),
        ),
    ),
    "no_cookie": DeadEnd(
        _("Your browser did not keep our cookie"),
        _("Without it we cannot tell that it was you who began. Nothing was connected."),
        (
            _("Allow cookies for this site, or leave the private window."),
            _OPEN_AGAIN,
        ),
    ),
    "expired": DeadEnd(
        _("That took too long"),
        _("An attempt to connect ends after ten minutes. Nothing was connected."),
        (_("Open the link again and start afresh; what you agreed to is not lost."), _OPEN_AGAIN),
    ),
    "malformed": DeadEnd(
        _("The provider’s answer cannot be read"),
        _(
            "The address that brought you back holds something that does not belong there. Nothing was connected."
        ),
        (_OPEN_AGAIN, _("If it happens again, give the reference below to the people who run the app.")),
    ),
    "integration_gone": DeadEnd(
        _("This can no longer be connected"),
        _("It was removed or switched off while you were at the provider. Nothing was connected."),
        (_("Tell the people who run the app; they have to set it up again."),),
    ),
}

#: for a reason that has several causes, or is not known here: the domain's own sentence says what happened
REFUSED_OTHERWISE = DeadEnd(
    _("This cannot be finished here"),
    "",
    (_("Nothing was connected and nothing was stored."), _OPEN_AGAIN),
)

#: manage action -> what the page says when it is done
DONE: Mapping[str, Text] = {
    "pause": _("The connection is paused. Nothing is read or changed until you resume it."),
    "resume": _("The connection works again."),
    "disconnect": _("Disconnected. The stored keys are deleted."),
}

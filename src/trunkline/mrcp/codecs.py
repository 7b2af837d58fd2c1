"""The codecs that a server may be offered, by their names."""

from __future__ import annotations

from trunkline.audio.codecs.registry import usable_codec
from trunkline.errors import ConfigError, MediaError
from trunkline.sip.sdp_codecs import KNOWN, Codec


def codecs_named(names: str) -> tuple[Codec, ...]:
    """The codecs in a text like "PCMU PCMA", in that order. Raises `ConfigError`."""
    found, hint = [], f"There are {', '.join(KNOWN)}"
    for name in names.replace("|", " ").upper().split():
        if name not in KNOWN:
            raise ConfigError(
                f"no codec is called {name!r}", where="mrcp", hint=f"There are {', '.join(KNOWN)}"
            )
        try:
            usable_codec(name)
        except MediaError as error:
            raise ConfigError(error.what, where="mrcp", hint=error.hint) from error
        found.append(KNOWN[name])
    if not found:
        raise ConfigError("no codec is named", where="mrcp", hint=hint)
    return tuple(found)

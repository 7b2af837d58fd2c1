"""NLSML, the result of a recognition (RFC 6787 section 6.3): XML to readings and back."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from trunkline.errors import ParseError
from trunkline.mrcp.markup import parse_xml

NAMESPACE = "urn:ietf:params:xml:ns:mrcpv2"
MEDIA_TYPES = ("application/nlsml+xml", "application/x-nlsml")
"""The second is what servers said before the RFC, and some still do."""
_READINGS = 16


@dataclass(frozen=True, slots=True)
class Reading:
    """One interpretation. `text`: the words as they were understood; `confidence`: 0 to 1; `meaning`: the
    text of its instance, which a grammar may make of the words."""

    text: str
    confidence: float = 1.0
    meaning: str = ""


def parse_nlsml(data: bytes) -> list[Reading]:
    """The readings in a result, best first; none where nothing matched. Raises `ParseError`."""
    root = parse_xml(data, "nlsml")
    if _name(root) != "result":
        raise ParseError("a result that does not begin as one", where="nlsml")
    found = [_reading(one) for one in root if _name(one) == "interpretation"][:_READINGS]
    return sorted((one for one in found if one is not None), key=lambda one: -one.confidence)


def _reading(interpretation: ElementTree.Element) -> Reading | None:
    spoken = next((one for one in interpretation if _name(one) == "input"), None)
    instance = next((one for one in interpretation if _name(one) == "instance"), None)
    if spoken is not None and any(_name(one) in ("nomatch", "noinput") for one in spoken):
        return None
    meaning = _text(instance) if instance is not None else ""
    text = _text(spoken) if spoken is not None else meaning
    if not text:
        return None
    return Reading(text, _confidence(interpretation.get("confidence", "")), meaning)


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2].lower()


def _text(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _confidence(text: str) -> float:
    """0 to 1; some servers count to 100. What is no number counts as sure, since it was given as a match."""
    try:
        value = float(text)
    except ValueError:
        return 1.0
    if not 0 <= value <= 100:
        return 1.0
    return value if value <= 1 else value / 100


def print_nlsml(reading: Reading, grammar: str) -> bytes:
    """A result with one reading."""
    text = escape(_printable(reading.text))
    return (
        '<?xml version="1.0"?>\n'
        f'<result xmlns="{NAMESPACE}" grammar={quoteattr(_printable(grammar))}>\n'
        f'  <interpretation grammar={quoteattr(_printable(grammar))} confidence="{reading.confidence:.2f}">\n'
        f"    <instance>{escape(_printable(reading.meaning or reading.text))}</instance>\n"
        f'    <input mode="speech">{text}</input>\n'
        "  </interpretation>\n"
        "</result>\n"
    ).encode()


def _printable(text: str) -> str:
    """Without what XML cannot carry: control characters, halves of letters."""
    kept = "".join(char if char >= " " and char not in "\ufffe\uffff" else " " for char in text)
    return kept.encode("utf-8", "replace").decode()

"""Results of test files as JUnit XML, the form that every CI reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from trunkline.scenario.rehearse import Outcome

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Tried:
    """One conversation, held once or several times. `seconds`: all of them together."""

    file: str
    name: str
    tries: tuple[Outcome, ...]
    at_least: float = 1.0
    """The share of tries that must pass."""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return sum(one.passed for one in self.tries) / len(self.tries)

    @property
    def passed(self) -> bool:
        return self.rate >= self.at_least

    @property
    def worst(self) -> Outcome | None:
        """The first try that failed, if one did."""
        return next((one for one in self.tries if not one.passed), None)


def junit(results: Sequence[Tried]) -> str:
    """An XML document: a test suite for each file, a test case for each conversation."""
    root = Element("testsuites", name="trunkline scenario test")
    for file in dict.fromkeys(one.file for one in results):
        cases = [one for one in results if one.file == file]
        failed = sum(not one.passed for one in cases)
        suite = SubElement(
            root,
            "testsuite",
            name=_clean(file),
            tests=str(len(cases)),
            failures=str(failed),
            errors="0",
            skipped="0",
            time=f"{sum(one.seconds for one in cases):.3f}",
        )
        for one in cases:
            case = SubElement(
                suite, "testcase", classname=_clean(file), name=_clean(one.name), time=f"{one.seconds:.3f}"
            )
            worst = one.worst
            if not one.passed and worst is not None:
                said = f"{one.rate:.0%} of {len(one.tries)} passed. " if len(one.tries) > 1 else ""
                failure = SubElement(case, "failure", message=_clean(said + worst.wrong[0]))
                failure.text = _clean("\n".join([*worst.wrong, "", *worst.transcript]))
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold (section 2.2)."""
    return _NOT_IN_XML.sub("�", text)

"""The log: JSON for machines, words for people, no secrets for anybody."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from trunkline.errors import EngineDown
from trunkline.log import Format, set_up


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_machines_get_one_json_object_a_line() -> None:
    out = io.StringIO()
    set_up("info", "auto", out)
    structlog.get_logger("x").info("call answered", call_id="c1", seconds=1.5)
    (line,) = lines(out)
    assert (line["event"], line["level"], line["call_id"], line["seconds"]) == (
        "call answered",
        "info",
        "c1",
        1.5,
    )
    assert str(line["timestamp"]).endswith("Z")


def test_people_get_words_on_a_terminal() -> None:
    out = Terminal()
    set_up("info", "auto", out)
    structlog.get_logger("x").info("call answered", call_id="c1")
    assert "call answered" in out.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(out.getvalue())


def test_what_is_below_the_level_is_not_written() -> None:
    out = io.StringIO()
    set_up("warning", "json", out)
    structlog.get_logger("x").info("quiet")
    structlog.get_logger("x").warning("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_what_other_packages_log_comes_out_the_same_way() -> None:
    out = io.StringIO()
    set_up("info", "json", out)
    logging.getLogger("other").warning("old %s", "news")
    logging.getLogger("other").info("chatter")
    (line,) = lines(out)
    assert (line["event"], line["level"]) == ("old news", "warning")


@pytest.mark.parametrize("style", ["json", "console"])
def test_secrets_do_not_reach_the_log(style: str) -> None:
    out = io.StringIO()
    set_up("debug", "json" if style == "json" else "console", out)
    log = structlog.get_logger("x")
    log.info("refused", api_key="sk-aaaa1111", error="Authorization: Bearer bbbb2222 was refused")
    log.info("with api_key=cccc3333 in the text")
    logging.getLogger("other").error("token: dddd4444")
    log.warning("no events", where="http://trunkline:ffff6666@192.0.2.1:8088/ari?of=dana@192.0.2.2")
    try:
        raise ValueError("the request had password=eeee5555")
    except ValueError:
        log.exception("failed")
    text = out.getvalue()
    for secret in ("aaaa1111", "bbbb2222", "cccc3333", "dddd4444", "eeee5555", "ffff6666"):
        assert secret not in text
    assert "http://********@192.0.2.1:8088/ari?of=dana@192.0.2.2" in text
    assert "Traceback" in text


SAID = "my card number is four two four two"


def fails() -> None:
    try:
        raise ValueError(SAID)
    except ValueError as error:
        raise EngineDown(SAID, where="a model", hint="See its page") from error


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("logger", [structlog.get_logger("x"), logging.getLogger("other")])
def test_a_traceback_says_where_and_not_what_was_said(style: Format, logger: Any) -> None:
    out = io.StringIO()
    set_up("info", style, out)
    try:
        fails()
    except EngineDown:
        logger.exception("failed")
    text = out.getvalue()
    assert SAID not in text
    assert "a model: EngineDown. See its page" in text
    assert "builtins.ValueError" in text
    assert "in fails" in text


def test_a_traceback_of_several_names_them() -> None:
    out = io.StringIO()
    set_up("info", "json", out)
    try:
        raise ExceptionGroup(SAID, [ValueError(SAID), KeyError(SAID)])
    except ExceptionGroup:
        structlog.get_logger("x").exception("failed")
    assert SAID not in out.getvalue()
    assert "ExceptionGroup of ValueError, KeyError" in out.getvalue()


def test_whoever_debugs_reads_it_all() -> None:
    out = io.StringIO()
    set_up("debug", "json", out)
    try:
        fails()
    except EngineDown:
        structlog.get_logger("x").exception("failed")
    assert SAID in out.getvalue()

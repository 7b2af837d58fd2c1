"""A call that is over is freed at once, by itself: nothing of it waits for the garbage collector, which stops
all other calls while it looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from calls.story import PLAIN_SETTINGS, Presses, Says, SmallTalk, tell
from calls.test_duplex import speaking
from calls.test_tools_in_calls import Desk
from calls.test_tools_in_calls import told as told_with_tools
from calls.test_transfer import HandsOver
from freed import without_collector
from trunkline.call.log import EventLog
from trunkline.call.settings import CallSettings
from trunkline.errors import CallRefused
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.providers.voice_cache import VoiceCache

LONG = "It is twenty dollars a month for each person, and the first month is free. Shall I go on?"
OVER_IT = (Says(2.0, "what does it cost"), Says(4.2, "wait no I mean the other one"), Presses(8.0, "12"))

Story = Callable[[], object]


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(lambda: tell(*OVER_IT, replies=[LONG], lasts=12.0), id="interrupted, hung up on"),
        pytest.param(lambda: tell(*OVER_IT, replies=[LONG], lasts=3.9), id="hung up on in mid-sentence"),
        pytest.param(lambda: tell(*OVER_IT, play=SmallTalk(ends_after=2), lasts=20.0), id="we end it"),
        pytest.param(
            lambda: tell(*OVER_IT, settings=CallSettings(vad="energy", max_duration=3.0), lasts=30.0),
            id="too long",
        ),
        pytest.param(lambda: tell(*OVER_IT, line_cache=VoiceCache(None), lasts=9.0), id="with fixed lines"),
        pytest.param(
            lambda: tell(*OVER_IT, outbound=True, rings_for=1.0, replies=[LONG], lasts=9.0), id="outbound"
        ),
        pytest.param(
            lambda: tell(Says(0.5, "nobody is here"), outbound=True, rings_for=4.0, lasts=3.0),
            id="not answered",
        ),
        pytest.param(lambda: tell(play=HandsOver(), lasts=12.0), id="handed over in vain"),
        pytest.param(lambda: told_with_tools(Says(5.0, "twelve people"), desk=Desk(9.0)), id="with tools"),
        pytest.param(
            lambda: tell(*OVER_IT, settings=PLAIN_SETTINGS, s2s=speaking([], reply=LONG), lasts=9.0),
            id="one engine hears and speaks",
        ),
    ],
)
def test_nothing_of_a_call_that_is_over_waits_for_the_collector(story: Story) -> None:
    story()  # What is loaded once for all calls is there now.
    with without_collector() as alive:
        story()
        assert not alive("call", "providers")


def test_an_error_that_the_leg_keeps_does_not_keep_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = list[CallRefused]()

    async def answer(_: MemoryLeg) -> None:
        kept.append(CallRefused("not now", where="memory leg"))
        raise kept[-1]

    monkeypatch.setattr(MemoryLeg, "answer", answer)
    tell(lasts=1.0)
    with without_collector() as alive:
        assert tell(lasts=1.0).result.outcome == "not now"
        assert len(kept) == 2
        assert not alive("call")


def test_what_holds_itself_is_seen() -> None:
    with without_collector() as alive:
        log = EventLog()
        log.subscribe(log.add)
        del log
        assert alive("call") == {"EventLog": 1}

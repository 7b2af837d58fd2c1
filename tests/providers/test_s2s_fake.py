"""The fake that ships conforms, so that what is told with it holds for others."""

from __future__ import annotations

from providers.s2s_conformance import PROMPT, Sounds, all_of, assert_conforms, failure_of, session_of
from trunkline.clock import SystemClock, VirtualClock, run_virtual
from trunkline.errors import EngineDown
from trunkline.providers.s2s.fake import FakeSpeechToSpeech


def test_it_conforms() -> None:
    async def story(clock: VirtualClock) -> None:
        engine = FakeSpeechToSpeech(clock=clock, reply="Yes, of course.")
        await engine.start()
        await assert_conforms(engine, "Yes, of course.")

    run_virtual(story)


def test_it_fails_as_it_is_told_to() -> None:
    async def story(clock: VirtualClock) -> None:
        engine = FakeSpeechToSpeech(clock=clock, fails=True)
        async with session_of(engine) as session:
            assert isinstance(await failure_of(session, Sounds()), EngineDown)
            assert not session.closed
        engine = FakeSpeechToSpeech(clock=clock, fail_after=1)
        async with session_of(engine) as session:
            await all_of(session.respond(PROMPT, Sounds()))
            ear = Sounds()
            await failure_of(session, ear)
            assert ear.pcm
            assert session.closed

    run_virtual(story)


async def test_it_needs_no_virtual_time() -> None:
    engine = FakeSpeechToSpeech(clock=SystemClock(), delay_ms=1, speed=0, reply="Yes.")
    async with session_of(engine) as session:
        assert await all_of(session.respond(PROMPT, Sounds()))

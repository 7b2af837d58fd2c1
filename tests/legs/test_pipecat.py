"""Pipecat's serializers for Twilio and Telnyx beside our streams: the same wire must mean the same to both.

They stand on the same side of the wire as we do, so they judge: what a carrier sends is the same sound and
the same keys to both, and the same sound of the agent is the same message of both. Skipped where
`pipecat-ai` is not installed; `make test-peers` brings it.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from legs.far_ends import tone
from trunkline.audio.codecs import pcma, pcmu
from trunkline.legs.stream import Heard, Pressed, StreamProtocol
from trunkline.legs.telnyx import TelnyxSettings, TelnyxStream
from trunkline.legs.twilio import TwilioStream

pytest.importorskip("pipecat", reason="pipecat-ai is not installed here: make test-peers")
pytestmark = [
    pytest.mark.peer,
    # Its own imports warn of what they will change one day.
    pytest.mark.filterwarnings("ignore"),
]

STREAM, CALL = "MZ1", "CA1"


class Setup:
    """What a pipeline tells its serializer."""

    audio_in_sample_rate = 8000


def pcm_frames() -> list[bytes]:
    return [tone(8000, frequency) for frequency in (200.0, 400.0, 1000.0, 3000.0)]


async def serializer(name: str) -> Any:
    from pipecat.serializers.telnyx import TelnyxFrameSerializer
    from pipecat.serializers.twilio import TwilioFrameSerializer

    if name == "twilio":
        made: Any = TwilioFrameSerializer(
            STREAM, params=TwilioFrameSerializer.InputParams(auto_hang_up=False, sample_rate=8000)
        )
    else:
        params = TelnyxFrameSerializer.InputParams(auto_hang_up=False, sample_rate=8000)
        codec = name.partition("-")[2]
        made = TelnyxFrameSerializer(STREAM, codec, codec, params=params)
    await made.setup(Setup())
    return made


def stream(name: str) -> StreamProtocol:
    """Ours, which knows whose stream it is."""
    if name == "twilio":
        ours: StreamProtocol = TwilioStream()
        start: dict[str, Any] = {
            "event": "start",
            "streamSid": STREAM,
            "start": {
                "streamSid": STREAM,
                "callSid": CALL,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {},
            },
        }
    else:
        codec: Any = name.partition("-")[2]
        ours = TelnyxStream(TelnyxSettings(codec=codec))
        start = {
            "event": "start",
            "stream_id": STREAM,
            "start": {
                "call_control_id": CALL,
                "media_format": {"encoding": codec, "sample_rate": 8000, "channels": 1},
            },
        }
    ours.receive(json.dumps(start))
    return ours


def encoded(name: str, pcm: bytes) -> str:
    sound = pcma.encode(pcm) if name.endswith("PCMA") else pcmu.encode(pcm)
    return base64.b64encode(sound).decode()


CARRIERS = ["twilio", "telnyx-PCMU", "telnyx-PCMA"]


@pytest.mark.parametrize("name", CARRIERS)
async def test_the_callers_sound_is_the_same_to_both(name: str) -> None:
    theirs, ours = await serializer(name), stream(name)
    for number, pcm in enumerate(pcm_frames(), start=1):
        media = {
            "track": "inbound",
            "chunk": str(number),
            "timestamp": "20",
            "payload": encoded(name, pcm),
        }
        message = json.dumps({"event": "media", "streamSid": STREAM, "media": media})
        frame = await theirs.deserialize(message)
        (heard,) = ours.receive(message)
        assert isinstance(heard, Heard)
        assert heard.pcm == frame.audio


@pytest.mark.parametrize("name", CARRIERS)
async def test_the_callers_keys_are_the_same_to_both(name: str) -> None:
    theirs, ours = await serializer(name), stream(name)
    for digit in "0123456789*#":
        message = json.dumps({"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": digit}})
        frame = await theirs.deserialize(message)
        assert ours.receive(message) == [Pressed(frame.button.value)]


@pytest.mark.parametrize("name", CARRIERS)
async def test_the_agents_sound_and_its_cut_are_the_same_messages_of_both(name: str) -> None:
    from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame

    theirs, ours = await serializer(name), stream(name)
    for pcm in pcm_frames():
        frame = OutputAudioRawFrame(audio=pcm, sample_rate=8000, num_channels=1)
        assert json.loads(str(ours.audio(pcm))) == json.loads(await theirs.serialize(frame))
    clear = ours.clear()
    assert clear is not None
    assert json.loads(clear) == json.loads(await theirs.serialize(InterruptionFrame()))

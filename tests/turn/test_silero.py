"""Silero in a batch gives what it gives alone."""

from __future__ import annotations

import numpy as np
import pytest

from trunkline.turn.silero import WINDOW, Silero, SileroStream
from turn.sounds import noise, tone


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_batch_equals_each_stream_alone(rate: int) -> None:
    model = Silero()
    size = WINDOW[rate]
    sounds = [
        tone(0.4, rate=rate, hertz=200),
        noise(0.4, 2000, rate=rate),
        tone(0.4, rate=rate, hertz=900) + noise(0.4, 500, 2, rate),
    ]
    cuts = [
        [sound[n : n + size].astype("<i2").tobytes() for n in range(0, len(sound) - size + 1, size)]
        for sound in sounds
    ]
    together = [SileroStream(rate) for _ in sounds]
    batched = [model.run(together, list(windows)) for windows in zip(*cuts, strict=True)]
    for place, windows in enumerate(cuts):
        stream = SileroStream(rate)
        alone = [model.run([stream], [window])[0] for window in windows]
        assert alone == pytest.approx([row[place] for row in batched], abs=1e-4)


def test_a_stream_remembers_and_forgets() -> None:
    model = Silero()
    window = noise(0.032, 3000).astype("<i2").tobytes()
    stream = SileroStream(8000)
    first = model.run([stream], [window])[0]
    assert np.abs(stream.state).max() > 0
    second = model.run([stream], [window])[0]
    stream.reset()
    assert model.run([stream], [window])[0] == pytest.approx(first, abs=1e-5)
    assert 0 <= second <= 1

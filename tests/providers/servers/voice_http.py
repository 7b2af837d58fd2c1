"""Local servers that speak the published HTTP protocols of OpenAI's, Azure's and Google's voices.

`faults` tells what befalls the next sentences, one word each: "hang" after the first piece of sound,
"silent" before it, "cut" the connection after it, "garbage"."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
from collections import deque

from providers.servers.http_server import Asked, HttpServer, Reply, refused
from providers.servers.voice_sounds import pieces_of

SPEAK = "{http://www.w3.org/2001/10/synthesis}"


class VoiceHttpServer(HttpServer):
    def __init__(self) -> None:
        super().__init__()
        self.faults: deque[str] = deque()
        self.texts: list[str] = []

    def reply_to(self, asked: Asked) -> Reply:
        if f"{asked.method} {asked.path}" in self.cards or self.replies:
            return super().reply_to(asked)
        if asked.method != "POST":
            return refused(404)
        self.asked.append(asked)
        text, rate, mulaw = self.understood(asked)
        self.texts.append(text)
        reply = self.answer(pieces_of(text.strip(), rate, mulaw=mulaw), mulaw=mulaw)
        match self.faults.popleft() if self.faults else "":
            case "hang":
                return Reply(reply.parts[:3], "hang", kind=reply.kind)
            case "silent":
                return Reply([], "hang", kind=reply.kind)
            case "cut":
                return Reply(reply.parts[:1], "cut", kind=reply.kind)
        return reply

    def understood(self, asked: Asked) -> tuple[str, int, bool]:
        """The text, the rate and whether mu-law is wanted."""
        raise NotImplementedError

    def answer(self, pieces: list[bytes], *, mulaw: bool) -> Reply:
        return Reply([part for piece in pieces for part in (piece, 0.001)], kind="application/octet-stream")


class OpenAIVoiceServer(VoiceHttpServer):
    """`POST /audio/speech`."""

    def __init__(self) -> None:
        super().__init__()
        self.cards["GET /models/gpt-4o-mini-tts"] = Reply([b'{"id": "gpt-4o-mini-tts"}'])

    def understood(self, asked: Asked) -> tuple[str, int, bool]:
        assert asked.path == "/audio/speech"
        assert asked.json["response_format"] == "pcm"
        return asked.json["input"], 24000, False

    def answer(self, pieces: list[bytes], *, mulaw: bool) -> Reply:
        whole = b"".join(pieces)
        # In pieces of odd sizes: a sample may be cut in two.
        return Reply([whole[at : at + 9001] for at in range(0, len(whole), 9001)], kind="audio/pcm")


class AzureVoiceServer(VoiceHttpServer):
    """`POST /cognitiveservices/v1` with SSML, read by an XML parser that is not ours."""

    def __init__(self) -> None:
        super().__init__()
        voice = {
            "ShortName": "en-US-JennyNeural",
            "DisplayName": "Jenny",
            "Locale": "en-US",
            "StyleList": ["chat"],
        }
        self.cards["GET /cognitiveservices/voices/list"] = Reply([json.dumps([voice]).encode()])

    def understood(self, asked: Asked) -> tuple[str, int, bool]:
        assert asked.path == "/cognitiveservices/v1"
        assert asked.headers["content-type"].startswith("application/ssml+xml")
        assert asked.headers["user-agent"]
        document = ET.fromstring(asked.body.decode())
        (voice,) = document.findall(f"{SPEAK}voice")
        found = re.fullmatch(
            r"raw-(\d+)khz-(8bit-mono-mulaw|16bit-mono-pcm)", asked.headers["x-microsoft-outputformat"]
        )
        assert found
        return "".join(voice.itertext()), int(found[1]) * 1000, found[2].endswith("mulaw")


class GoogleVoiceServer(VoiceHttpServer):
    """`POST /v1/text:synthesize`: one JSON object, whose sound has a RIFF header as the real one's has."""

    def __init__(self) -> None:
        super().__init__()
        voice = {"name": "en-US-Neural2-F", "languageCodes": ["en-US"], "ssmlGender": "FEMALE"}
        self.cards["GET /v1/voices"] = Reply([json.dumps({"voices": [voice]}).encode()])

    def understood(self, asked: Asked) -> tuple[str, int, bool]:
        assert asked.path == "/v1/text:synthesize"
        audio = asked.json["audioConfig"]
        return asked.json["input"]["text"], audio["sampleRateHertz"], audio["audioEncoding"] == "MULAW"

    def answer(self, pieces: list[bytes], *, mulaw: bool) -> Reply:
        sound = b"".join(pieces)
        tag, width = (7, 1) if mulaw else (1, 2)
        form = (
            tag.to_bytes(2, "little") + (1).to_bytes(2, "little") + bytes(8) + bytes([width, 0, 8 * width, 0])
        )
        riff = (
            b"WAVEfmt " + len(form).to_bytes(4, "little") + form + b"data" + len(sound).to_bytes(4, "little")
        )
        wav = b"RIFF" + (len(riff) + len(sound)).to_bytes(4, "little") + riff + sound
        body = json.dumps({"audioContent": base64.b64encode(wav).decode()}).encode()
        return Reply([body[at : at + 8000] for at in range(0, len(body), 8000)])

"""The other end of a user agent, played by hand: it reads requests and answers them one by one."""

from __future__ import annotations

from trunkline.sip.digest import Challenge, Credentials, digest_response
from trunkline.sip.hop import Hop
from trunkline.sip.message import Request, Response, respond
from trunkline.sip.parse import parse_message
from trunkline.sip.user_agent import UserAgent

HOP = Hop("udp", "192.0.2.9", 5060)


class Server:
    """What `agent` sends comes to `take`; `answer` sends a response back. `at` is the time."""

    def __init__(self, agent: UserAgent) -> None:
        self.agent = agent
        self.at = 0.0
        self.seen: list[Request] = []

    def take(self) -> Request:
        """The next request that the agent sends."""
        data, _ = self.agent.outbox.popleft()
        request = parse_message(data)
        assert isinstance(request, Request), data
        self.seen.append(request)
        return request

    def nothing_more(self) -> bool:
        return not self.agent.outbox

    def answer(self, request: Request, status: int, *headers: tuple[str, str], body: bytes = b"") -> Response:
        return self.answer_as("server", request, status, *headers, body=body)

    def answer_as(
        self, tag: str, request: Request, status: int, *headers: tuple[str, str], body: bytes = b""
    ) -> Response:
        """An answer of one of several phones, which `tag` tells apart."""
        response = respond(request, status, to_tag=tag)
        for name, value in headers:
            response.headers.add(name, value)
        response.body = body
        self.agent.receive(bytes(response), HOP, self.at)
        return response

    def ask(self, data: bytes) -> Response:
        """Send a request; gives the agent's answer."""
        self.agent.receive(data, HOP, self.at)
        response = parse_message(self.agent.outbox.popleft()[0])
        assert isinstance(response, Response)
        return response

    def wait(self, until: float) -> None:
        """Let time pass, timer by timer."""
        while (due := self.agent.next_deadline()) is not None and due <= until:
            self.at = max(self.at, due)
            self.agent.advance(self.at)
        self.at = until


def fields_of(value: str) -> dict[str, str]:
    """The parameters of an Authorization value that holds no comma within its quotes."""
    pairs = (item.strip().partition("=") for item in value.removeprefix("Digest ").split(","))
    return {name: text.strip('"') for name, _, text in pairs}


def verifies(value: str, challenge: Challenge, credentials: Credentials, method: str) -> bool:
    """Whether an Authorization value answers `challenge`, as a server would reckon it."""
    given = fields_of(value)
    count = int(given.get("nc", "0"), 16)
    expected = digest_response(
        challenge, credentials, method, given["uri"], count=count, cnonce=given.get("cnonce", "")
    )
    return given["response"] == expected and given["username"] == credentials.user

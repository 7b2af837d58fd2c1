"""Kamailio as registrar and proxy, and rtpengine in the media path, run with configurations of their own."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

needs_proxy = (
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("kamailio") is None, reason="kamailio is not installed here"),
)
needs_rtpengine = pytest.mark.skipif(
    shutil.which("rtpengine") is None, reason="rtpengine is not installed here"
)

_PLACES = ("/usr/lib/x86_64-linux-gnu/kamailio/modules", "/usr/lib/aarch64-linux-gnu/kamailio/modules")
MODULES = next((place for place in _PLACES if Path(place).is_dir()), "/usr/lib/kamailio/modules")
REALM, PASSWORD = "proxy.test", "zanzibar"
CONFIG = """\
#!KAMAILIO
debug=1
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=no
tcp_children=1
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
mpath="{modules}/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
{relay}modparam("registrar", "max_expires", 90)
modparam("auth", "nonce_count", 1)
modparam("auth", "qop", "auth")

request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (has_totag()) {{
    if (is_method("ACK") && !loose_route()) {{ if (t_check_trans()) t_relay(); exit; }}
    if (!is_method("ACK") && !loose_route()) {{ sl_send_reply("404", "Not Here"); exit; }}
    {within}
    t_relay();
    exit;
  }}
  if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
  if (is_method("REGISTER")) {{
    if (!pv_www_authenticate("{realm}", "{password}", "0")) {{ www_challenge("{realm}", "1"); exit; }}
    save("location");
    exit;
  }}
  if (!is_method("INVITE")) {{ sl_send_reply("405", "Not Here"); exit; }}
  if (!pv_proxy_authenticate("{realm}", "{password}", "0")) {{ proxy_challenge("{realm}", "1"); exit; }}
  consume_credentials();
  record_route();
  if (!lookup("location")) {{ sl_send_reply("404", "Not Registered"); exit; }}
  {offer}
  t_on_reply("ANSWER");
  t_relay();
}}

onreply_route[ANSWER] {{
  {answer}
  return;
}}
"""
_RELAY = """\
loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:{control}")
"""
_FLAGS = '"replace-origin replace-session-connection"'


def free_port() -> int:
    """A port that is free for UDP and TCP now."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port = int(udp.getsockname()[1])
            with suppress(OSError):
                tcp.bind(("127.0.0.1", port))
                return port
    raise OSError("no port is free")


@asynccontextmanager
async def kamailio(folder: Path, *, control: int = 0) -> AsyncIterator[str]:
    """It registers whoever knows the password, and proxies calls to them. `control`: rtpengine's port,
    through which their media goes then. Gives its host and port."""
    port = free_port()
    config = CONFIG.format(
        port=port,
        modules=MODULES,
        realm=REALM,
        password=PASSWORD,
        relay=_RELAY.format(control=control) if control else "",
        offer=f"rtpengine_offer({_FLAGS});" if control else "",
        answer=f'if (has_body("application/sdp")) rtpengine_answer({_FLAGS});' if control else "",
        within=(
            f'if (is_method("INVITE") && has_body("application/sdp")) {{ rtpengine_offer({_FLAGS}); '
            't_on_reply("ANSWER"); } if (is_method("BYE")) rtpengine_delete();'
            if control
            else ""
        ),
    )
    (folder / "kamailio.cfg").write_text(config)
    run = folder / "run"
    run.mkdir()
    command = (
        "kamailio",
        "-f",
        str(folder / "kamailio.cfg"),
        "-DD",
        "-E",
        "-m",
        "32",
        "-M",
        "4",
        "-Y",
        str(run),
    )
    async with running(*command, log=folder / "kamailio.log"):
        await until_it_answers(port)
        yield f"127.0.0.1:{port}"


@asynccontextmanager
async def rtpengine(folder: Path) -> AsyncIterator[int]:
    """The media relay, without its part in the kernel. Gives its control port."""
    control = free_port()
    command = (
        "rtpengine", "--foreground", "--log-stderr", "--log-level=4", "--table=-1", "--interface=127.0.0.1",
        f"--listen-ng=127.0.0.1:{control}", "--port-min=30100", "--port-max=30900", "--config-file=none",
    )  # fmt: skip
    async with running(*command, log=folder / "rtpengine.log"):
        await until_pong(control)
        yield control


@asynccontextmanager
async def running(*command: str, log: Path) -> AsyncIterator[None]:
    """A program, ended politely; its output is shown where a test fails."""
    with log.open("wb") as out:
        program = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=asyncio.subprocess.STDOUT
        )
    try:
        yield
        assert program.returncode is None, _told(log)
    finally:
        with suppress(ProcessLookupError):
            program.terminate()
        try:
            async with asyncio.timeout(10):
                await program.wait()
        except TimeoutError:
            program.kill()
            await program.wait()
        print(_told(log))


def _told(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]


class _Asker(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answered = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.answered.set()


async def _until(port: int, question: bytes) -> None:
    """Ask until an answer comes."""
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_datagram_endpoint(_Asker, ("127.0.0.1", 0))
    try:
        async with asyncio.timeout(40):
            while not asker.answered.is_set():
                own = transport.get_extra_info("sockname")[1]
                transport.sendto(question.replace(b"OWN", str(own).encode()), ("127.0.0.1", port))
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await asker.answered.wait()
    finally:
        transport.close()
        await asyncio.sleep(0)


async def until_it_answers(port: int) -> None:
    """OPTIONS until the proxy answers."""
    await _until(
        port,
        f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 127.0.0.1:OWN;branch=z9hG4bKready;rport\r\n"
        "Max-Forwards: 9\r\nFrom: <sip:ready@127.0.0.1>;tag=1\r\nTo: <sip:ready@127.0.0.1>\r\n"
        "Call-ID: ready\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode(),
    )


async def until_pong(port: int) -> None:
    """rtpengine's ping (its ng protocol: a cookie and a bencoded dictionary)."""
    await _until(port, b"1_1 d7:command4:pinge")

"""HAProxy and nginx as `deploy/` configures them, in front of private receivers and nodes: loopback only.

Strategy: the very file that is shipped is run. What is the machine's own in it is replaced: who runs it, where it logs
and listens, and the lists of servers; everything else comes by the variables that the file names.
"""

import os
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import programs
from guard import Guarded
from private_server import PrivateServer
from rundir import CHECKOUT, RUN_DIR, free_ports

START_WITHIN = 10.0
HAPROXY_CONFIG = CHECKOUT / "deploy" / "haproxy" / "haproxy.cfg"
NGINX_CONFIG = CHECKOUT / "deploy" / "nginx" / "mm7.conf"
_SERVERS = r"(?:^  server \w+ .*\n)+"
_MACHINE = re.compile(r"^  (?:log /dev/log|user|group|maxconn|stats socket) .*\n", re.MULTILINE)


class HAProxy(PrivateServer):
    """HAProxy before `receivers` (pairs of port and admin port) and `brokers` (ports); `port` is where callbacks go.

    `variables` are the file's own; without MM7_CERTIFICATE among them it speaks plain HTTP.
    """

    def __init__(
        self,
        receivers: Sequence[tuple[int, int]],
        brokers: Sequence[int] = (),
        variables: Mapping[str, str] | None = None,
        run_dir: Path = RUN_DIR,
    ) -> None:
        self._program = programs.find("haproxy", run_dir)
        super().__init__(run_dir, "haproxy")
        self.port, self.amqp_port, self.status_port = free_ports(3)
        given = variables or {}
        plain = {} if "MM7_CERTIFICATE" in given else {"MM7_PLAIN_HTTP": "1"}
        places = {"MM7_LISTEN": f"127.0.0.1:{self.port}", "MM7_STATUS": f"127.0.0.1:{self.status_port}"}
        self.env = {**self._program.environment, **places, **plain, **given}
        self.config = self.data_dir / "haproxy.cfg"
        self.config.write_text(self._text(receivers, brokers))
        self.command = [self._program.path, "-f", str(self.config)]

    def start(self) -> None:
        """Return when it listens; `StartFailed` when it does not."""
        self.running = Guarded("haproxy", [*self.command, "-db"], folder=self.data_dir, env=self.env)
        self.wait_for(lambda: listens(self.port), START_WITHIN, "HAProxy")

    def _text(self, receivers: Sequence[tuple[int, int]], brokers: Sequence[int]) -> str:
        text = _MACHINE.sub("", HAPROXY_CONFIG.read_text(encoding="utf-8")).replace(
            "global\n", "global\n  log stderr local0\n"
        )
        text = text.replace("127.0.0.1:5670", f"127.0.0.1:{self.amqp_port}")
        lists = iter(
            (
                "".join(f"  server r{port} 127.0.0.1:{port} check port {admin}\n" for port, admin in receivers),
                "".join(f"  server b{port} 127.0.0.1:{port} check\n" for port in brokers),
            )
        )
        return re.sub(_SERVERS, lambda _: next(lists), text, flags=re.MULTILINE)


class Nginx(PrivateServer):
    """nginx before `receivers` (their ports), with the certificate and key in `certificate`; `port` speaks TLS.

    `clients`: the certificates of client certificates' issuers; `issuers`: a path's pattern, and its issuer's name.
    """

    def __init__(
        self,
        receivers: Sequence[int],
        certificate: Path,
        clients: Path | None = None,
        issuers: Mapping[str, str] | None = None,
        run_dir: Path = RUN_DIR,
    ) -> None:
        self._program = programs.find("nginx", run_dir)
        super().__init__(run_dir, "nginx")
        (self.port,) = free_ports(1)
        text = NGINX_CONFIG.read_text(encoding="utf-8").replace("listen 443", f"listen 127.0.0.1:{self.port}")
        text = text.replace("listen [::]:443", f"listen [::1]:{self.port}" if has_ipv6() else "# listen")
        text = text.replace("/etc/nginx/mm7.pem", str(certificate))
        if clients:
            text = re.sub(r"# (ssl_client_certificate|ssl_verify_client)", r"\1", text)
            text = text.replace("/etc/nginx/mm7-clients.pem", str(clients))
        wanted = "".join(f'    {path} "{name}";\n' for path, name in (issuers or {}).items())
        text = text.replace('    default "";\n', f'    default "";\n{wanted}')
        servers = "".join(rf"    server 127.0.0.1:{port}\1\n" for port in receivers)
        text = re.sub(r"(?:^    server [\d.]+:\d+(.*)\n)+", servers, text, flags=re.MULTILINE)
        (self.data_dir / "mm7.conf").write_text(text)
        self.config = self.data_dir / "nginx.conf"
        self.config.write_text(self._frame())
        self.command = [self._program.path, "-e", "stderr", "-p", str(self.data_dir), "-c", str(self.config)]
        self.env = self._program.environment

    def start(self) -> None:
        """Return when it listens; `StartFailed` when it does not."""
        self.running = Guarded("nginx", self.command, folder=self.data_dir, env=self.env)
        self.wait_for(lambda: listens(self.port), START_WITHIN, "nginx")

    def _frame(self) -> str:
        """What a distribution puts round it; all files in our folder."""
        folder = self.data_dir
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"  {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        user = "user root;\n" if os.geteuid() == 0 else ""  # its workers read our folder
        return (
            f"{user}daemon off;\npid {folder}/nginx.pid;\nevents {{}}\n"
            f"http {{\n  access_log off;\n{places}  include {folder}/mm7.conf;\n}}\n"
        )


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback; many a container has none."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True

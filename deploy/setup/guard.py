"""A process that cannot outlive us.

Strategy: each server is started through a guard (this file run as a program), which holds the read end of a pipe
whose write end only we have. However we end, kill -9 included, the pipe closes and the guard ends the server.
PR_SET_PDEATHSIG alone would not do: it fires when the *thread* that started the server ends, and it is Linux only.
The guard uses it one level down, where there are no threads: a killed guard takes its server with it.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
STRAGGLERS_WITHIN = 5.0


class Guarded:
    """A running server and its guard; `name` tells the pid and log files in `folder` apart."""

    def __init__(
        self, name: str, command: Sequence[str], *, folder: Path, env: Mapping[str, str], after: Sequence[str] = ()
    ) -> None:
        self.log = folder / f"{name}.log"
        guard = [sys.executable, "-I", "-S", __file__, str(folder / f"{name}.pids"), str(len(after)), *after, *command]
        try:
            with _signals_held():
                self._guard = self._start(guard, env)
                assert self._guard.stdout is not None
                with self._guard.stdout as pipe:
                    self.pid = int(pipe.readline() or 0)  # 0: the guard could not start it, and its log says why
        except BaseException:  # Ctrl-C: nobody has this object yet, so nobody else would end the server
            if "_guard" in vars(self):
                self._close()
                self._guard.wait(2 * STRAGGLERS_WITHIN)
            raise

    def _start(self, guard: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                guard, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env, start_new_session=True
            )

    @property
    def alive(self) -> bool:
        return self._guard.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send to the server's whole process group."""
        if self.alive and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def terminate(self, within: float) -> None:
        """Ask the server to end, make it end after `within` seconds; returns when it is gone."""
        if self.alive and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        try:
            self._guard.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
        self._close()

    def kill(self) -> None:
        """End the server at once; returns when it is gone."""
        self.signal(signal.SIGKILL)
        self._close()
        self._guard.wait(2 * STRAGGLERS_WITHIN)

    def log_tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _close(self) -> None:
        if self._guard.stdin is not None:
            self._guard.stdin.close()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Signals wait, so that none comes between a start and our knowing of it; `main` undoes it for the guard."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Let the kernel end this process with its parent's thread; nothing where the kernel cannot."""
    _prctl(PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Let the kernel give us, not init, the orphans of what we start: in a container init may never reap them."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def main(argv: Sequence[str]) -> int:
    pid_file, count = Path(argv[0]), int(argv[1])
    after, command = argv[2 : 2 + count], argv[2 + count :]
    adopt_orphans()
    child_ended = _wake_on_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        process_group=0,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - safe: one thread
    )
    with contextlib.suppress(FileNotFoundError):  # our parent has died and another run has cleaned up
        pid_file.write_text(f"{os.getpid()} {server.pid}\n")
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{server.pid}\n".encode())
    os.close(1)
    code = _wait(server.pid, child_ended)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS's word for a zombie
        os.killpg(server.pid, signal.SIGKILL)
    if after:
        subprocess.run(after, check=False, capture_output=True, timeout=30)
    _reap_stragglers()
    pid_file.unlink(missing_ok=True)
    return code


def _wake_on_signals() -> int:
    """Only the pipe and the server's end may stop a guard; returns a descriptor that becomes readable on signals."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        # Not SIG_IGN: exec hands an ignored signal on, and the server could not be terminated.
        signal.signal(number, lambda *_: None)
    return readable


def _wait(server: int, child_ended: int) -> int:
    """Until the server ends (its exit code) or our parent does (0)."""
    parent = os.getppid()
    # The parent's pid is looked at too: a fork of the parent would hold the pipe open.
    while os.getppid() == parent:
        ready, _, _ = select.select([0, child_ended], [], [], 1.0)
        if 0 in ready:
            break
        if child_ended in ready:
            os.read(child_ended, 64)
            for pid, status in _ended_children():
                if pid == server:
                    return os.waitstatus_to_exitcode(status) & 0xFF
    return 0


def _ended_children() -> Iterator[tuple[int, int]]:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            yield ended


def _reap_stragglers() -> None:
    """Erlang's port programs end by themselves when their virtual machine is gone; wait for that."""
    deadline = time.monotonic() + STRAGGLERS_WITHIN
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

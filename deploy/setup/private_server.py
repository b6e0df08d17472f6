"""What our private servers share: a folder, a guarded process, a start that waits, an end that leaves nothing."""

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

from guard import Guarded
from problems import StartFailed
from rundir import NodeDir

T = TypeVar("T")


class Startable(ABC):
    """`with` starts it and destroys it, also where the start fails or is cut off."""

    @abstractmethod
    def start(self) -> None:
        """Return when a client can connect; `StartFailed` when it does not come to that."""

    @abstractmethod
    def destroy(self) -> None:
        """End it and remove its data."""

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.destroy)
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()


class PrivateServer(Startable):
    """One process in a folder of its own. It may be stopped or killed and started again, and frozen for a while."""

    stop_within = 10.0

    def __init__(self, run_dir: Path, kind: str) -> None:
        self._dir = NodeDir(run_dir, kind)
        self.running: Guarded | None = None

    @property
    def data_dir(self) -> Path:
        return self._dir.path

    @property
    def alive(self) -> bool:
        return bool(self.running and self.running.alive)

    def wait_for(self, answer: Callable[[], T | None], within: float, name: str) -> T:
        """The first answer that is one. `StartFailed` if none comes, with the end of the log; then it is killed."""
        deadline = time.monotonic() + within
        while not (found := answer()):
            if not self.alive or time.monotonic() > deadline:
                tail = self.running.log_tail() if self.running else ""
                self.kill()
                raise StartFailed(f"the {name} in {self.data_dir} did not start; its log ends:\n{tail}")
            time.sleep(0.02)
        return found

    def stop(self) -> None:
        """End it as an administrator would."""
        if self.running:
            self.resume()  # a frozen server would not hear it
            self.running.terminate(self.stop_within)

    def kill(self) -> None:
        """End it as a power cut would, but for the disk's own memory."""
        if self.running:
            self.running.kill()

    def destroy(self) -> None:
        """End it and remove its data; a kill does, since nobody will read the data."""
        self.kill()
        self._dir.remove()

    def pause(self) -> None:
        """Freeze it: its connections stay open and nothing answers."""
        if self.running:
            self.running.signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self.running:
            self.running.signal(signal.SIGCONT)

"""What can go wrong while a server is being had; `services` then tries the next source."""


class NoServer(Exception):
    """This source has no server for us: the message says why, or what was tried."""


class StartFailed(Exception):
    """A server was there and did not come up: the message ends with its log's tail."""

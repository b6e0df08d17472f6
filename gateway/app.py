"""The receiver's wiring: plain code, everything handed on by argument."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway import admin, broker, entries, server, signals, systemd
from gateway.accounts import Account
from gateway.backlog import Backlog
from gateway.broker import Connection, Delay, Publisher, Topology
from gateway.entries import Entry
from gateway.intake import Intake
from gateway.keeper import Keeper
from gateway.receiver import Receiver
from gateway.settings import Settings
from gateway.stores.media import MediaStore
from gateway.stores.spool import Spool
from gateway.stores.state import State, open_state
from gateway.telemetry import lag, logs
from gateway.telemetry.metrics import RECEIVER, Metrics

RECEIVER_ADMIN_PORT = 8081
END_WITHIN = 20.0  # to publish from the spool and close when the last callback is answered


def topology(settings: Settings) -> Topology:
    """The broker's objects for these accounts. Both programs declare all of them."""
    return broker.build({account.name: delays(account) for account in settings.accounts.values()})


def delays(account: Account) -> list[Delay]:
    """The account's waits between attempts."""
    return [Delay.parse(text) for text in account.outbound.retry_delays] if account.outbound else []


def spool(settings: Settings) -> Spool[Entry] | None:
    """The spool of the settings, not opened yet; None where there is none."""
    if not settings.spool_dir:
        return None
    return Spool(
        Path(settings.spool_dir).absolute(),
        entries.dump,
        entries.load,
        max_bytes=settings.spool_max_bytes,
        max_age_seconds=settings.spool_max_age,
    )


@asynccontextmanager
async def state(settings: Settings) -> AsyncIterator[State]:
    """The state store of the settings."""
    store = open_state(settings.state_url.get_secret_value())
    try:
        yield store
    finally:
        await store.close()


async def run(settings: Settings) -> None:
    """Receive callbacks until SIGTERM or SIGINT, then answer those under way and end."""
    log = logs.get()
    stop = signals.stop_event()
    metrics = Metrics(RECEIVER, accounts=settings.accounts, answer_within=settings.answer_within)
    # In this order in, in the other order out: readiness goes first, the broker last.
    async with AsyncExitStack() as stack:
        service = stack.enter_context(systemd.told(os.environ))
        receiver, health = await _receiver(stack, settings, metrics)
        port = RECEIVER_ADMIN_PORT if settings.admin_port is None else settings.admin_port
        admin_port = await stack.enter_async_context(admin.serving(settings.admin_host, port, metrics, health))
        stack.enter_context(lag.watched(metrics))
        port = await stack.enter_async_context(server.serving(receiver, settings))
        log.info("receiver.listening", host=settings.http_host, port=port, admin_port=admin_port)
        service.ready(lambda: str(health()))
        await stop.wait()
        receiver.draining = True
        service.stopping(settings.drain_seconds + settings.body_within + settings.answer_within + END_WITHIN)
        log.info("receiver.draining", in_flight=receiver.in_flight, seconds=settings.drain_seconds)
        await signals.again(stop, within=settings.drain_seconds)
    log.info("receiver.ended")


async def _receiver(
    stack: AsyncExitStack, settings: Settings, metrics: Metrics
) -> tuple[Receiver, Callable[[], admin.Health]]:
    """The receiver, with broker, spool and stores, and how it is."""
    media, events = MediaStore(settings.media_url, unavailable=metrics.media_unavailable.inc), spool(settings)
    url, objects = settings.amqp_url.get_secret_value(), topology(settings)
    connection = await stack.enter_async_context(Connection(url, "mm7-gateway", objects))
    store = await stack.enter_async_context(state(settings))
    if events is not None:
        await stack.enter_async_context(events)
    publisher = Publisher(connection, observe=metrics.publish_seconds.observe)
    # One of its own: what the broker closes because of a chunk must not take the callbacks of now along.
    drained = await stack.enter_async_context(Connection(url, "mm7-gateway spool", objects))
    intake, keeper = Intake(settings, media, store, metrics), Keeper(publisher, events)
    await stack.enter_async_context(keeper.draining(Backlog(intake, Publisher(drained)).publish))
    receiver = Receiver(settings, intake, keeper, store, metrics)
    admin.watch_broker(metrics, connection)
    admin.watch_spool(metrics, events)
    metrics.callbacks_in_flight.set_function(lambda: receiver.in_flight)
    metrics.body_bytes_in_flight.set_function(lambda: receiver.body_bytes)

    def health() -> admin.Health:
        broker, spool = admin.broker_reasons(connection), keeper.troubles
        nowhere = broker and keeper.reason  # an event could be kept nowhere
        against = [*broker, keeper.reason] if nowhere else []
        degraded = [each for each in (*broker, *spool, *receiver.troubles) if each not in against]
        return admin.Health(against, degraded, draining=receiver.draining)

    return receiver, health

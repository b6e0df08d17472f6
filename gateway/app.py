"""The receiver's wiring: plain code, everything handed on by argument."""

import asyncio

from gateway import admin, broker, server, signals
from gateway.accounts import Account
from gateway.broker import Connection, Delay, Publisher, Topology
from gateway.receiver import Receiver
from gateway.settings import Settings
from gateway.stores.media import MediaStore
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics

RECEIVER_ADMIN_PORT = 8081


def topology(settings: Settings) -> Topology:
    """The broker's objects for these accounts. Both programs declare all of them."""
    return broker.build({account.name: delays(account) for account in settings.accounts.values()})


def delays(account: Account) -> list[Delay]:
    """The account's waits between attempts."""
    return [Delay.parse(text) for text in account.outbound.retry_delays] if account.outbound else []


async def run(settings: Settings) -> None:
    """Receive callbacks until SIGTERM or SIGINT, then answer those under way and end."""
    log = logs.get()
    stop = signals.stop_event()
    metrics = Metrics()
    media = MediaStore(settings.media_url)
    async with Connection(settings.amqp_url.get_secret_value(), "mm7-gateway", topology(settings)) as connection:
        publisher = Publisher(connection, observe=metrics.publish_seconds.observe)
        taking = Receiver(settings, publisher, media, metrics)
        admin.watch_broker(metrics, connection)

        def reasons() -> list[str]:
            return (["draining"] if taking.draining else []) + admin.broker_reasons(connection)

        admin_port = RECEIVER_ADMIN_PORT if settings.admin_port is None else settings.admin_port
        # In this order in, in the other order out: readiness goes first, the broker last.
        async with (
            admin.serving(settings.admin_host, admin_port, metrics, reasons) as admin_port,
            server.serving(taking, settings) as port,
        ):
            log.info("receiver.listening", host=settings.http_host, port=port, admin_port=admin_port)
            await stop.wait()
            taking.draining = True
            log.info("receiver.draining", in_flight=taking.in_flight)
            await asyncio.sleep(0)
    log.info("receiver.ended")

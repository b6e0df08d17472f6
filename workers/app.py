"""The worker's wiring: plain code, everything handed on by argument."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from gateway import admin, app, broker, signals
from gateway.accounts import Account
from gateway.broker import Connection, Consumer, Publisher
from gateway.settings import Settings
from gateway.stores.media import MediaStore
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics

from . import provider
from .memory import Memory
from .submit import Submitter

WORKER_ADMIN_PORT = 8082
GRACE_SECONDS = 5.0  # beyond the longest timeout: a POST that is cut off would be sent again


async def run(settings: Settings) -> None:
    """Consume commands until SIGTERM or SIGINT, then finish those under way and end."""
    log = logs.get()
    stop = signals.stop_event()
    metrics, memory = Metrics(), Memory()
    media = MediaStore(settings.media_url)
    url, objects = settings.amqp_url.get_secret_value(), app.topology(settings)
    accounts = [account for account in settings.accounts.values() if account.outbound]
    draining = False
    async with AsyncExitStack() as stack:
        # Two connections: what goes wrong with a publish must not take the consumers along.
        publishing = await stack.enter_async_context(Connection(url, "mm7-worker publish", objects))
        consuming = await stack.enter_async_context(Connection(url, "mm7-worker consume", objects))
        publisher = Publisher(publishing, observe=metrics.publish_seconds.observe)
        session = await stack.enter_async_context(provider.make_session())
        admin.watch_broker(metrics, publishing, consuming)

        def health() -> admin.Health:
            return admin.Health((["draining"] if draining else []) + admin.broker_reasons(publishing, consuming))

        admin_port = WORKER_ADMIN_PORT if settings.admin_port is None else settings.admin_port
        admin_port = await stack.enter_async_context(admin.serving(settings.admin_host, admin_port, metrics, health))

        consumers = []
        for account in accounts:
            post = partial(provider.submit, session, profile=account.profile, timeout=_timeout(account))
            submitter = Submitter(account, app.delays(account), post, publisher, media, metrics, memory)
            consumers.append(_consumer(consuming, account, submitter))
        for each in consumers:
            await each.start()
        log.info("worker.consuming", accounts=[account.name for account in accounts], admin_port=admin_port)
        await stop.wait()
        draining = True
        log.info("worker.draining", in_flight=sum(each.in_flight for each in consumers))
        # Cancel the consumers, finish the work and acknowledge it; only then close session and connections.
        grace = GRACE_SECONDS + max(map(_timeout, accounts))
        await asyncio.gather(*(each.stop(grace) for each in consumers))
    log.info("worker.ended")


def _consumer(connection: Connection, account: Account, submitter: Submitter) -> Consumer:
    assert account.outbound is not None  # selected in run
    return Consumer(connection, broker.mt_queue(account.name), account.outbound.concurrency, submitter.handle)


def _timeout(account: Account) -> float:
    assert account.outbound is not None  # as above
    return account.outbound.timeout

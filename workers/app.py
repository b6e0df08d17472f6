"""The worker's wiring: plain code, everything handed on by argument."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from gateway import admin, app, broker, signals, systemd
from gateway.accounts import Account
from gateway.broker import Connection, Consumer, Publisher
from gateway.settings import Settings
from gateway.stores.correlation import Correlation
from gateway.stores.ledger import Ledger
from gateway.stores.media import MediaStore
from gateway.stores.pace import Pace
from gateway.stores.state import State
from gateway.telemetry import lag, logs
from gateway.telemetry.metrics import WORKER, Metrics

from . import provider
from .contents import Contents
from .fetch import Fetcher
from .once import Once
from .outbox import Outbox
from .outcome import Outcome
from .pulse import Pulse
from .rules import Rules
from .submit import Submitter

WORKER_ADMIN_PORT = 8082
GRACE_SECONDS = 5.0  # beyond the longest timeout: what became of a POST that is cut off is not known
END_WITHIN = 15.0  # what is left to close after that


@dataclass(frozen=True, slots=True)
class Shared:
    """What all accounts share."""

    submit: Callable[..., Awaitable[Outcome]]
    publisher: Publisher
    media: MediaStore
    contents: Contents
    state: State
    once: Once
    correlation: Correlation
    metrics: Metrics


async def run(settings: Settings) -> None:
    """Consume commands until SIGTERM or SIGINT, then finish those under way and end."""
    log = logs.get(__name__)
    stop = signals.stop_event()
    accounts = [account for account in settings.accounts.values() if account.outbound]
    metrics = Metrics(WORKER, accounts=[account.name for account in accounts], answer_within=settings.answer_within)
    async with AsyncExitStack() as stack:
        stack.enter_context(signals.switching_log_level(settings.log_level))
        service = stack.enter_context(systemd.told(os.environ))
        state = await stack.enter_async_context(app.state(settings))
        once = _once(settings, state, metrics)
        await stack.enter_async_context(once.pulse.beating())
        # Two connections: what goes wrong with a publish must not take the consumers along.
        url, objects = settings.amqp_url.get_secret_value(), app.topology(settings)
        publishing = await stack.enter_async_context(Connection(url, "mm7-worker publish", objects))
        consuming = await stack.enter_async_context(Connection(url, "mm7-worker consume", objects))
        shared = await _share(stack, settings, publishing, state, once, metrics)
        health = _health(shared, publishing, consuming)
        admin_port = WORKER_ADMIN_PORT if settings.admin_port is None else settings.admin_port
        admin_port = await stack.enter_async_context(admin.serving(settings.admin_host, admin_port, metrics, health))
        stack.enter_context(lag.watched(metrics))
        consumers = await _start(consuming, accounts, shared)
        log.info("worker.consuming", accounts=[account.name for account in accounts], admin_port=admin_port)
        service.ready(lambda: str(health()))
        await stop.wait()
        # Begin no POST, cancel the consumers, finish the work and acknowledge it; only then close session and
        # connections, the state last. Whoever waits for the broker alone by then has its outcome in the ledger: the
        # next worker publishes it.
        once.drain()
        grace = GRACE_SECONDS + max(map(_timeout, accounts))
        service.stopping(grace + END_WITHIN)
        log.info("worker.draining", in_flight=sum(each.in_flight for each in consumers))
        await asyncio.gather(*(each.stop(grace) for each in consumers))
    log.info("worker.ended")


async def _share(
    stack: AsyncExitStack, settings: Settings, publishing: Connection, state: State, once: Once, metrics: Metrics
) -> Shared:
    session = await stack.enter_async_context(provider.make_session())
    fetcher = await stack.enter_async_context(Fetcher(Rules.of(settings)))
    media = MediaStore(settings.media_url, unavailable=metrics.media_unavailable.inc)
    missed = metrics.state_unavailable.labels("fetched").inc
    return Shared(
        submit=partial(provider.submit, session),
        publisher=Publisher(publishing, observe=metrics.publish_seconds.observe),
        media=media,
        contents=Contents(media, state, fetcher, unavailable=missed),
        state=state,
        once=once,
        correlation=Correlation(state, ttl_seconds=settings.messages_kept),
        metrics=metrics,
    )


def _health(shared: Shared, *connections: Connection) -> Callable[[], admin.Health]:
    admin.watch_broker(shared.metrics, *connections)

    def health() -> admin.Health:
        against = admin.broker_reasons(*connections) + shared.once.pulse.reasons()
        degraded = [f"media store: {reason}"] if (reason := shared.media.trouble.reason) else []
        return admin.Health(against, degraded, draining=shared.once.draining)

    return health


async def _start(connection: Connection, accounts: list[Account], shared: Shared) -> list[Consumer]:
    consumers = [_consumer(connection, account, shared) for account in accounts]
    for account, each in zip(accounts, consumers, strict=True):
        shared.metrics.commands_in_flight.labels(account.name).set_function(partial(getattr, each, "in_flight"))
        await each.start()
    return consumers


def _once(settings: Settings, state: State, metrics: Metrics) -> Once:
    ledger = Ledger(state, ttl_seconds=settings.commands_kept)
    unavailable = metrics.state_unavailable.labels("ledger").inc
    return Once(ledger, Pulse(ledger, unavailable=unavailable), unavailable=unavailable)


def _consumer(connection: Connection, account: Account, shared: Shared) -> Consumer:
    sending = account.outbound
    assert sending is not None  # selected in run
    submitter = Submitter(
        account,
        app.delays(account),
        partial(shared.submit, profile=account.profile, timeout=sending.timeout),
        Outbox(account.name, shared.publisher, shared.metrics),
        partial(shared.contents.of, account=account),
        shared.metrics,
        shared.once,
        shared.correlation,
        Pace(
            shared.state,
            f"rate:{account.name}",
            sending.rate,
            unavailable=shared.metrics.state_unavailable.labels("rate").inc,
        ),
    )
    return Consumer(connection, broker.mt_queue(account.name), sending.concurrency, submitter.handle)


def _timeout(account: Account) -> float:
    assert account.outbound is not None  # as above
    return account.outbound.timeout

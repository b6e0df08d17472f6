"""Every metric there is, in one table. Labels never hold a phone number, an id or text.

Strategy: a row of the table is an attribute of the class; one object is made per process, of the rows that its program
has, and handed on; nothing registers itself at import. Every label's values are a closed set, known to the code or to
the settings, so nothing that is sent to us makes a series. Where few values are possible their series stand at 0 from
the start: of one that only comes to be with its first event, `rate()` does not see that event.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal, get_type_hints

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, Metric, ProcessCollector
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.contract.commands import OPERATIONS

Program = Literal["mm7-gateway", "mm7-worker"]

RECEIVER: Final = "mm7-gateway"
WORKER: Final = "mm7-worker"
ACCOUNTS = None  # a label's values, where they are the accounts of the settings
FINE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
BUDGET_SHARES = (0.5, 0.75, 0.9, 1.0, 1.1, 1.5, 3.0)  # of the time to answer in, which is what one looks for
LAG_SECONDS = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0)
AT_ONCE = 500  # samples that are written in a few milliseconds
SUBMIT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric. `labels`: of each the values with which it begins. `only`: the program that has it, None: both.

    `buckets` are upper bounds in seconds; None of a histogram: round the time to answer in.
    """

    name: str
    help: str
    only: Program | None
    labels: Mapping[str, tuple[str, ...] | None]
    buckets: tuple[float, ...] | None


def row(
    name: str,
    text: str,
    *,
    only: Program | None = None,
    buckets: tuple[float, ...] | None = None,
    **labels: tuple[str, ...] | None,
) -> Any:  # what an instance has in its place
    """A row of the table below."""
    return Row(name, text, only, labels, buckets)


class Metrics:
    """The metrics of one process; without a `program` those of both. `answer_within` is in seconds."""

    build_info: Gauge = row("mm7_build_info", "1, with what is running.", version=(), program=())
    ready: Gauge = row("mm7_ready", "1 while /readyz answers 200.")
    degraded: Gauge = row("mm7_degraded", "1 while /readyz says degraded.")
    draining: Gauge = row("mm7_draining", "1 from the signal to end until the end.")

    callbacks: Counter = row(
        "mm7_callbacks_total",
        "Callbacks answered. The operation is empty where none could be read, the account where the path is nobody's.",
        only=RECEIVER,
        account=ACCOUNTS,
        operation=("DeliverReq", "DeliveryReportReq", "ReadReplyReq", ""),
        outcome=("accepted", "refused", "unavailable"),
    )
    answer_seconds: Histogram = row(
        "mm7_answer_seconds", "From a callback's body to its answer.", only=RECEIVER, account=ACCOUNTS
    )
    answer_within_seconds: Gauge = row("mm7_answer_within_seconds", "MM7_ANSWER_WITHIN.", only=RECEIVER)
    callbacks_in_flight: Gauge = row("mm7_callbacks_in_flight", "Requests being read or answered.", only=RECEIVER)
    body_bytes_in_flight: Gauge = row("mm7_body_bytes_in_flight", "Bytes of their bodies.", only=RECEIVER)
    quirks: Counter = row(
        "mm7_quirks_total", "Deviations that were read all the same.", only=RECEIVER, account=ACCOUNTS, quirk=()
    )
    duplicates: Counter = row(
        "mm7_duplicates_total", "Callbacks answered again and not published again.", only=RECEIVER, account=ACCOUNTS
    )
    spool_events: Gauge = row("mm7_spool_events", "Events that wait in the spool.", only=RECEIVER)
    spool_oldest_seconds: Gauge = row("mm7_spool_oldest_seconds", "Age of the oldest of them.", only=RECEIVER)
    spool_bytes: Gauge = row("mm7_spool_bytes", "Their size.", only=RECEIVER)
    spool_max_bytes: Gauge = row("mm7_spool_max_bytes", "MM7_SPOOL_MAX_BYTES; 0: no spool.", only=RECEIVER)
    spool_set_apart: Gauge = row("mm7_spool_set_apart", "What of the spool a person has to look at.", only=RECEIVER)

    submits: Counter = row(
        "mm7_submits_total",
        "Commands brought to an outcome.",
        only=WORKER,
        account=ACCOUNTS,
        operation=(*OPERATIONS, "unknown"),
        outcome=("mt.accepted", "mt.refused", "mt.unknown"),
    )
    submit_seconds: Histogram = row(
        "mm7_submit_seconds", "Request to the provider.", only=WORKER, buckets=SUBMIT_SECONDS, account=ACCOUNTS
    )
    commands_in_flight: Gauge = row(
        "mm7_commands_in_flight", "Commands that are being worked on.", only=WORKER, account=ACCOUNTS
    )
    retries: Counter = row("mm7_retries_total", "Commands put off to be tried again.", only=WORKER, account=ACCOUNTS)
    dead: Counter = row("mm7_dead_total", "Commands dead-lettered.", only=WORKER, account=ACCOUNTS)

    publish_seconds: Histogram = row("mm7_publish_seconds", "Publish to confirm.")
    broker_up: Gauge = row("mm7_broker_up", "1 while the broker is connected.")
    broker_blocked: Gauge = row("mm7_broker_blocked", "1 while the broker takes nothing (memory or disk alarm).")
    state_unavailable: Counter = row(
        "mm7_state_unavailable_total",
        "Times that the state store did not answer, by what for.",
        use=("correlation", "fetched", "ledger", "published", "rate"),
    )
    media_unavailable: Counter = row(
        "mm7_media_unavailable_total", "Times that the media store did not take or give a part."
    )
    loop_lag_seconds: Histogram = row("mm7_loop_lag_seconds", "How late the event loop wakes up.", buckets=LAG_SECONDS)
    loop_lag_max_seconds: Gauge = row("mm7_loop_lag_max_seconds", "The latest within the last minute.")

    def __init__(
        self, program: Program | None = None, *, accounts: Iterable[str] = (), answer_within: float = 1.8
    ) -> None:
        # `…_created` would be as many series again, and nobody asks for them.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's have no types
        self.registry = CollectorRegistry()
        known = tuple(accounts)
        for attribute, kind, each in rows():
            shown = program is None or each.only in (
                program,
                None,
            )  # the other program's can be written to all the same
            metric = _metric(kind, each, self.registry if shown else None, answer_within)
            values = (known if of_label is ACCOUNTS else of_label for of_label in each.labels.values())
            for combination in product(*values) if each.labels else ():
                metric.labels(*combination)
            setattr(self, attribute, metric)
        self.build_info.labels(__version__, program or "").set(1)
        self.answer_within_seconds.set(answer_within)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The same bit by bit: with hundreds of accounts all of them take longer than a callback may wait."""
        for family in self.registry.collect():
            for at in range(0, max(len(family.samples), 1), AT_ONCE):
                some = copy(family)
                some.samples = family.samples[at : at + AT_ONCE]
                text = prometheus_client.generate_latest(_Family(some))
                yield text if at == 0 else text.split(b"\n", 2)[2]  # help and type stand there once


@dataclass(frozen=True, slots=True)
class _Family(Collector):
    """One of them, to be written by itself."""

    family: Metric

    def collect(self) -> Iterable[Metric]:
        return [self.family]


def rows() -> Iterator[tuple[str, type[Any], Row]]:
    """The table: attribute, kind of metric, row."""
    kinds = get_type_hints(Metrics)
    return ((name, kinds[name], each) for name, each in vars(Metrics).items() if isinstance(each, Row))


def around(within: float) -> tuple[float, ...]:
    """Buckets round a time to answer in."""
    return tuple(sorted({*FINE_SECONDS, *(round(share * within, 6) for share in BUDGET_SHARES)}))


def _metric(kind: type[Any], each: Row, registry: CollectorRegistry | None, within: float) -> Any:
    further = {"buckets": each.buckets or around(within)} if kind is Histogram else {}
    return kind(each.name, each.help, tuple(each.labels), registry=registry, **further)

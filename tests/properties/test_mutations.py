"""Whatever happens to a sample on its way, it ends in an event or a refusal, in bounded time, that JSON and AMQP hold."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import mutation, target
from tests.fuzz.target import Input
from tests.properties.bounds import bounded

SEEDS = target.seeds()
FRACTIONS = st.floats(0, 1, exclude_max=True)
MUTATIONS = st.builds(
    mutation.Mutation,
    kind=st.sampled_from([*mutation.KINDS]),
    at=FRACTIONS,
    to=FRACTIONS,
    size=st.integers(1, 300),
    data=st.sampled_from(mutation.WORDS) | st.binary(min_size=1, max_size=8),
)
SAMPLES = st.sampled_from(range(len(SEEDS)))
CONTENT_TYPES = st.sampled_from([(seed.content_type or "").encode("utf-8", "surrogateescape") for seed in SEEDS])


def test_every_sample_passes_as_it_is() -> None:
    ends = {target.check(seed) for seed in SEEDS}
    assert ends >= {"mo.received", "dr.received"}


@bounded(600)
@given(sample=SAMPLES, other=SAMPLES, changes=st.lists(MUTATIONS, min_size=1, max_size=8))
def test_any_mutation_of_a_body_is_an_event_or_a_refusal(sample, other, changes) -> None:
    body = SEEDS[sample].body
    for change in changes:
        body = change.apply(body, SEEDS[other].body)
    target.check(Input(SEEDS[sample].content_type, body))


@bounded(250)
@given(sample=SAMPLES, content_type=CONTENT_TYPES, changes=st.lists(MUTATIONS, max_size=4))
def test_any_mutation_of_a_content_type_is_an_event_or_a_refusal(sample, content_type, changes) -> None:
    for change in changes:
        content_type = change.apply(content_type, b"text/xml")
    target.check(Input(content_type.decode("utf-8", "surrogateescape") or None, SEEDS[sample].body))


@bounded(200)
@given(body=st.binary(max_size=300), content_type=st.none() | st.text(max_size=80))
def test_any_bytes_at_all_are_refused(body, content_type) -> None:
    assert target.check(Input(content_type, body)).isdecimal()

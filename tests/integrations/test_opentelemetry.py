"""What a Prometheus scrape and a span say about the keys of a process."""

from __future__ import annotations

import re
import urllib.request
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY, start_http_server
from prometheus_client.parser import text_string_to_metric_families
from tests.interpreter import printed
from tests.versions import is_older

import vectorshift
from vectorshift import Pipeline, Secret, VectorShift, VectorshiftError
from vectorshift.credentials.values import fingerprint
from vectorshift.integrations.opentelemetry import VectorShiftInstrumentor, instrument
from vectorshift.testing import FakeVectorShift, OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.samples import Sample

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def metrics_url() -> Iterator[str]:
    """Where Prometheus gets the metrics of this process. It takes half a second to shut down."""
    server, thread = start_http_server(0, "127.0.0.1", registry=REGISTRY)
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def scrape(metrics_url: str) -> Iterator[Callable[[], list[Sample]]]:
    """The metrics of this process as Prometheus gets them, over HTTP."""
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    instrument(meter_provider=provider)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get() -> list[Sample]:
        with direct.open(metrics_url, timeout=10) as answer:
            text = answer.read().decode()
        return [
            sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name.startswith("vectorshift_")
        ]

    yield get
    VectorShiftInstrumentor().uninstrument()
    provider.shutdown()


def values(samples: list[Sample], name: str, source: str) -> dict[str, float]:
    """Return the values of one metric by fingerprint, of one source."""
    return {
        sample.labels.get("vectorshift_credential_fingerprint", ""): sample.value
        for sample in samples
        if sample.name == f"vectorshift_credential_{name}"
        and sample.labels.get("vectorshift_credential_source") == source
    }


def stored(openbao: OpenBaoServer, path: str) -> vectorshift.VaultProvider:
    token = Secret(openbao.root_token)
    return vectorshift.VaultProvider(path, addr=openbao.address, token=token)


def test_a_rotation_is_seen_in_a_scrape(
    api: FakeVectorShift, openbao: OpenBaoServer, scrape: Callable[[], list[Sample]]
) -> None:
    old, new = api.create_key(), api.create_key()
    openbao.write("otel/rotated", {"api_key": old})
    source = "vault:secret/otel/rotated#api_key"
    with VectorShift(stored(openbao, "otel/rotated"), base_url=api.base_url) as client:
        Pipeline.list(client=client)
        seen = scrape()
        assert values(seen, "in_use", source) == {fingerprint(old): 1}
        assert values(seen, "held", source) == {fingerprint(old): 1}
        assert values(seen, "stale", source) == {fingerprint(old): 0}
        assert 0 <= values(seen, "age_seconds", source)[fingerprint(old)] < 60
        openbao.write("otel/rotated", {"api_key": new})
        api.revoke_key(old)
        Pipeline.list(client=client)
        seen = scrape()
        assert values(seen, "in_use", source) == {fingerprint(old): 1, fingerprint(new): 1}
        assert values(seen, "held", source)[fingerprint(new)] == 1
        assert values(seen, "rejections_total", source) == {"": 1}
        assert values(seen, "refresh_duration_seconds_count", source) == {"": 2}
    assert old not in str(seen)
    assert new not in str(seen)


@pytest.mark.skipif(
    is_older("opentelemetry-exporter-prometheus", "0.61b0"),
    reason="mixes up the labels of series whose attributes differ",
)
def test_a_store_that_fails_makes_the_key_stale(
    api: FakeVectorShift, openbao: OpenBaoServer, scrape: Callable[[], list[Sample]]
) -> None:
    openbao.write("otel/stale", {"api_key": api.create_key()})
    source = "vault:secret/otel/stale#api_key"
    provider = stored(openbao, "otel/stale")
    with VectorShift(vectorshift.ProviderChain([provider]), base_url=api.base_url) as client:
        Pipeline.list(client=client)
        openbao.seal()
        try:
            with vectorshift.using(client.provider), pytest.raises(VectorshiftError):
                vectorshift.refresh()
            Pipeline.list(client=client)
            seen = scrape()
        finally:
            openbao.unseal()
    assert list(values(seen, "stale", source).values()) == [1]
    failed = [
        sample.value
        for sample in seen
        if sample.name == "vectorshift_credential_refresh_duration_seconds_count"
        and sample.labels["vectorshift_credential_source"] == source
        and sample.labels["error_type"] == "CredentialStoreUnavailableError"
    ]
    assert failed == [1]


def test_only_gauges_have_fingerprints(
    api: FakeVectorShift, openbao: OpenBaoServer, scrape: Callable[[], list[Sample]]
) -> None:
    openbao.write("otel/labels", {"api_key": api.create_key()})
    with VectorShift(stored(openbao, "otel/labels"), base_url=api.base_url) as client:
        Pipeline.list(client=client)
    gauges = {"in_use", "held", "age_seconds", "stale"}
    for sample in scrape():
        has = "vectorshift_credential_fingerprint" in sample.labels
        assert has is (sample.name.removeprefix("vectorshift_credential_") in gauges)


def test_a_request_marks_the_span_around_it(
    api: FakeVectorShift, scrape: Callable[[], list[Sample]]
) -> None:
    spans = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    key = api.create_key()
    with (
        VectorShift(key, base_url=api.base_url) as client,
        tracers.get_tracer("test").start_as_current_span("work"),
    ):
        Pipeline.list(client=client)
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {
        "vectorshift.credential.provider": "explicit",
        "vectorshift.credential.source": "explicit:api_key",
        "vectorshift.credential.fingerprint": fingerprint(key),
    }


def test_a_second_call_reports_nothing_twice_and_the_end_ends_it(api: FakeVectorShift) -> None:
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    instrument(meter_provider=provider)
    instrument(meter_provider=provider)
    key = api.create_key()
    with VectorShift(key, base_url=api.base_url) as client:
        Pipeline.list(client=client)

    def found() -> list[str]:
        return [
            sample.labels["vectorshift_credential_fingerprint"]
            for family in REGISTRY.collect()
            for sample in family.samples
            if sample.name == "vectorshift_credential_in_use"
        ]

    assert found().count(fingerprint(key)) == 1
    VectorShiftInstrumentor().uninstrument()
    assert found() == []
    provider.shutdown()


def test_the_entry_point_of_opentelemetry_leads_here() -> None:
    (entry,) = entry_points(group="opentelemetry_instrumentor", name="vectorshift")
    assert entry.load() is VectorShiftInstrumentor
    assert list(VectorShiftInstrumentor().instrumentation_dependencies()) == []


def test_the_package_imports_no_opentelemetry_by_itself() -> None:
    code = "import sys, vectorshift; vectorshift.metrics(); print('opentelemetry' in sys.modules)"
    assert printed(code) == "False\n"


# --- What the documentation says of it ---


def test_the_alert_rules_name_metrics_and_labels_that_a_scrape_has(
    api: FakeVectorShift, openbao: OpenBaoServer, scrape: Callable[[], list[Sample]]
) -> None:
    openbao.write("otel/alerts", {"api_key": api.create_key()})
    with VectorShift(stored(openbao, "otel/alerts"), base_url=api.base_url) as client:
        Pipeline.list(client=client)
    page = (DOCS / "operations.md").read_text("utf-8")
    (rules,) = re.findall(r"```yaml\n(groups:\n.*?)```", page, re.DOTALL)
    alerts = {each["alert"]: each for each in yaml.safe_load(rules)["groups"][0]["rules"]}
    assert set(alerts) == {"OldKeyStillInUse", "KeyServedStale", "KeySourceChanged"}
    samples = scrape()
    names = {sample.name for sample in samples}
    labels = {label for sample in samples for label in sample.labels}
    for alert in alerts.values():
        words = set(re.findall(r"vectorshift_\w+", alert["expr"] + str(alert["annotations"])))
        assert words
        assert words <= names | labels

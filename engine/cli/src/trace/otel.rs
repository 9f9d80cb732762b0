//! The spans of a run, for a collector of OpenTelemetry (OTLP over HTTP). Where and how is said by the variables of that
//! standard: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`; `TRACEPARENT` makes the run part
//! of a larger one, as that of a pipeline.

use super::Recorded;
use crate::exit::Failure;
use dtm_lang::Code;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// How long the collector has for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the environment names a collector.
pub(super) fn is_wanted() -> bool {
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Sends what was recorded.
///
/// # Errors
/// When the collector does not take it.
pub(super) fn export(
    command: &'static str,
    began: SystemTime,
    took: Duration,
    recorded: &Recorded,
) -> Result<(), Failure> {
    let failed = |e: &dyn std::fmt::Display| {
        Failure::new(Code::E0903, format!("the trace could not be sent to the OpenTelemetry collector: {e}"))
            .help("see `OTEL_EXPORTER_OTLP_ENDPOINT`; the run itself is not touched by this")
    };
    let exporter = SpanExporter::builder().with_http().with_http_client(Client::new()).with_timeout(PATIENCE);
    let exporter = exporter.build().map_err(|e| failed(&e))?;
    let config = BatchConfigBuilder::default().with_max_queue_size(recorded.spans.len() + 16).build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let mut resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("dtm");
    }
    let provider =
        SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource.build()).build();
    let tracer = provider.tracer("dtm");
    let root = tracer
        .span_builder(format!("dtm {command}"))
        .with_start_time(began)
        .start_with_context(&tracer, &parent());
    let cx = Context::new().with_span(root);
    for span in &recorded.spans {
        let attributes = match span.category {
            "phase" => vec![],
            verb => vec![KeyValue::new("dtm.tool", span.name.clone()), KeyValue::new("dtm.verb", verb)],
        };
        let name = match span.category {
            "phase" => span.name.clone(),
            verb => format!("{verb} {}", span.name),
        };
        let from = began + span.from;
        let mut sent = tracer
            .span_builder(name)
            .with_start_time(from)
            .with_attributes(attributes)
            .start_with_context(&tracer, &cx);
        if let Some(why) = &span.failed {
            sent.set_status(Status::error(why.clone()));
        }
        sent.end_with_timestamp(from + span.took);
    }
    if recorded.spans.iter().any(|s| s.failed.is_some()) {
        cx.span().set_status(Status::error("not everything was done"));
    }
    cx.span().end_with_timestamp(began + took);
    drop(cx);
    provider.force_flush().map_err(|e| failed(&e))?;
    provider.shutdown().map_err(|e| failed(&e))
}

/// Sends to the collector over HTTP or HTTPS; it blocks, on the thread of the exporter.
struct Client(ureq::Agent);

impl Client {
    fn new() -> Client {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // `OTEL_EXPORTER_OTLP_HEADERS` holds tokens: they are for the collector that was named, and for no other host.
            .max_redirects(0)
            .build();
        Client(ureq::Agent::new_with_config(config))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.run(request.map(|body| body.to_vec()))?;
        let (head, mut body) = answer.into_parts();
        Ok(Response::from_parts(head, body.read_to_vec()?.into()))
    }
}

/// What this run is a part of.
fn parent() -> Context {
    let carried = ["traceparent", "tracestate"]
        .into_iter()
        .filter_map(|name| std::env::var(name.to_uppercase()).ok().map(|value| (name.to_string(), value)));
    let carried: HashMap<String, String> = carried.collect();
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carried)
}

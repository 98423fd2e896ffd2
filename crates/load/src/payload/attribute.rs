//! Attributes as SDKs send them, and the resource that all signals of a service share.

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

pub(super) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

pub(super) fn service_name(service: usize) -> String {
    format!("service-{service:02}")
}

pub(super) fn route(route: usize) -> String {
    format!("/api/v1/resource-{route:03}/{{id}}")
}

/// One of the pods of a service.
pub(super) fn resource(service: usize, instance: usize) -> Resource {
    let attributes = vec![
        text("service.name", service_name(service)),
        text("service.namespace", "load".to_owned()),
        text("service.version", format!("1.{}.0", service % 7)),
        text("service.instance.id", format!("7f1c0a52-9d3e-4b7a-{instance:04}-{service:012}")),
        text("deployment.environment.name", "load".to_owned()),
        text("k8s.pod.name", format!("service-{service:02}-6c9f7d8b5-x{instance:04}")),
        text("k8s.node.name", format!("node-{:02}", (service + instance) % 12)),
        text("cloud.availability_zone", format!("eu-north-1{}", ["a", "b", "c"][service % 3])),
        text("telemetry.sdk.language", "rust".to_owned()),
        text("telemetry.sdk.name", "opentelemetry".to_owned()),
    ];
    Resource { attributes, ..Resource::default() }
}

pub(super) fn scope(name: &str) -> InstrumentationScope {
    InstrumentationScope {
        name: name.to_owned(),
        version: "2.21.0".to_owned(),
        ..InstrumentationScope::default()
    }
}

pub(super) fn text(key: &str, value: String) -> KeyValue {
    attribute(key, Value::StringValue(value))
}

pub(super) fn integer(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

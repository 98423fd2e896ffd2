use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::otel::*;
use super::*;

/// More than an observer keeps back before it wants to know that a request is whole.
const MANY: usize = 20_000;

fn many_spans() -> Vec<u8> {
    traces("service.name=shop", vec![span(SERVER, "x", "http.response.status_code=500"); MANY])
}

#[test]
fn a_request_that_cannot_be_read_to_its_end_counts_nothing() {
    let one = traces("service.name=shop", vec![span(SERVER, "x", "error.type=a,tenant.id=t")]);
    for request in [one, many_spans()] {
        let mut observer = observer();
        let broken = [&request[..], b"\x0a\x05abc"].concat();
        assert!(observer.traces(&broken, NOW).is_err());
        assert!(observer.flush().is_empty());
        assert_eq!(observer.stats().spans, 0);
        let items = observer.traces(&request, NOW).unwrap().items;
        assert_eq!(observer.stats().spans, items);
        assert_eq!(only_service(&observer.flush()).spans, items);
    }
}

#[test]
fn more_spans_than_are_kept_back_count_like_few() {
    let mut observer = observer();
    assert_eq!(observer.traces(&many_spans(), NOW).unwrap().items, MANY as u64);
    let delta = observer.flush();
    assert_eq!(only_service(&delta).spans, MANY as u64);
    assert_eq!(only_operation(&delta).errors, MANY as u64);
    assert_eq!(delta.series[0].panes[0].count.bad_observed, MANY as u64);
}

#[test]
fn a_resource_behind_its_spans_is_theirs_all_the_same() {
    let usual = many_spans();
    let mut request = ExportTraceServiceRequest::decode(&usual[..]).unwrap();
    let mut resource_spans = request.resource_spans.pop().unwrap();
    let resource = resource_spans.resource.take().unwrap().encode_to_vec();
    let mut behind = resource_spans.encode_to_vec();
    behind.push(0x0a);
    prost::encoding::encode_varint(resource.len() as u64, &mut behind);
    behind.extend(resource);
    let mut reordered = vec![0x0a];
    prost::encoding::encode_varint(behind.len() as u64, &mut reordered);
    reordered.extend(behind);
    let seen = |request: &[u8]| {
        let mut observer = observer();
        assert_eq!(observer.traces(request, NOW).unwrap().items, MANY as u64);
        observer.flush()
    };
    assert_eq!(seen(&reordered), seen(&usual));
}

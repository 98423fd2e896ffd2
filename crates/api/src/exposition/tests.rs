use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use auth::Tenant;
use engine::{Dropped, SliceCount, SloStatus, SourceStatus, View, WindowStatus};
use http::{HeaderMap, HeaderValue, header};
use model::{AlertState, Count, Service, Telemetry, Timestamp, TraceId};
use slo::presence::WindowState;
use slo::slices::{SliceMethod, Slicing};
use slo::source::SourceState;

use super::families::render;
use super::{Exposition, Format, own, takes_gzip};

const OWN: &str = include_str!("tests/own.txt");
const MINUTE: Duration = Duration::from_secs(60);

fn window(minutes: u32, total: u64, bad: u64) -> WindowStatus {
    WindowStatus {
        window: MINUTE * minutes,
        total,
        bad,
        bad_error: if minutes == 5 { 1.5 } else { 0.0 },
        slices: None,
        error_ratio: (total > 0).then(|| bad as f64 / total as f64),
        burn_rate: bad as f64 / 4.0,
        coverage: 0.5,
        from: Timestamp::from_unix_s(1_000_000),
        excluded: Count::ZERO,
        unsure: Count::ZERO,
        passed: MINUTE * minutes,
        ends_at: None,
    }
}

fn slo(name: &str) -> SloStatus {
    SloStatus {
        name: name.into(),
        service: None,
        service_name: "checkout".into(),
        group: Vec::new(),
        automatic: false,
        objective: 0.999,
        window: MINUTE * 60 * 24 * 30,
        slicing: None,
        state: WindowState::Data,
        in_maintenance: false,
        windows: vec![window(5, 8, 2), window(60, 0, 0), window(60 * 24 * 30, 8, 2)],
        budget_remaining_ratio: -0.25,
        exhausted_at: None,
        page: AlertState::Firing,
        ticket: AlertState::Pending,
        good_total: 6,
        bad_total: 2,
        exemplar: None,
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

/// Two tenants; a declared SLO with groups, out of order and with labels that need care; an
/// automatic one with a trace.
fn views() -> BTreeMap<Tenant, Arc<View>> {
    let service = Service {
        name: "checkout".to_owned(),
        namespace: "shop".to_owned(),
        environment: "prod".to_owned(),
    };
    let automatic = SloStatus {
        service: Some(Arc::new(service)),
        automatic: true,
        exhausted_at: Some(Timestamp::from_unix_s(1_003_600)),
        page: AlertState::NoData,
        ticket: AlertState::Inactive,
        exemplar: Some((TraceId([0xab; 16]), Timestamp::from_unix_ms(1_000_001_500))),
        ..slo("availability")
    };
    let odd = "a \"quoted\"\nback\\slash";
    let group = |route| SloStatus {
        group: pairs(&[("http.route", route), ("service", odd)]),
        ..slo("by-route")
    };
    let source = |name: &str, signal, watermark_s| SourceStatus {
        service: Arc::new(Service::named(name)),
        signal,
        state: SourceState::Late,
        watermark: Timestamp::from_unix_s(watermark_s),
        lateness: MINUTE,
        clock_ahead: Duration::from_millis(1500),
        silence: Duration::from_secs(2),
    };
    let shop = View {
        at: Timestamp::from_unix_s(1_000_000),
        sources: vec![
            source("cart", Telemetry::Traces, 999_700),
            source("cart", Telemetry::Logs, 0),
        ],
        slos: vec![group("/pay"), group("/buy"), automatic, group("/pay")],
        dropped: Dropped { late: 3, unjudged: 4, future: 1, series_refused: 2 },
        ..View::default()
    };
    let mut sliced =
        SloStatus { slicing: Slicing::new(MINUTE, SliceMethod::Ratio), ..slo("availability") };
    sliced.windows[2].slices = Some(SliceCount { total: 4, bad: 0.25 });
    let other = View { slos: vec![sliced], ..View::default() };
    BTreeMap::from([("default".into(), Arc::new(shop)), ("bank".into(), Arc::new(other))])
}

fn whole(format: Format) -> String {
    render(&views(), format) + &own::render(OWN, None, format)
}

#[test]
fn the_text_format_reads_like_this() {
    assert_eq!(whole(Format::Text), include_str!("tests/golden.txt"));
}

#[test]
fn open_metrics_reads_like_this() {
    assert_eq!(whole(Format::OpenMetrics), include_str!("tests/golden.openmetrics.txt"));
}

#[test]
fn promtool_has_nothing_to_say() {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("promtool is not installed: its check is left to the black-box tests");
        return;
    };
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(whole(Format::Text).as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert!(output.status.success());
}

#[test]
fn no_label_of_a_group_can_break_the_exposition() {
    let mut group: Vec<_> = (0..20).map(|n| (format!("k{n:02}"), "v".to_owned())).collect();
    group.extend(
        [("a.b", "1"), ("a/b", "2"), ("9", "3"), ("__x", "4"), ("slo", "5")]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    group.push(("\u{e9}t\u{e9}".repeat(100), "\u{e9}".repeat(300)));
    let group = group.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect();
    let view = View { slos: vec![SloStatus { group, ..slo("s") }], ..View::default() };
    let text = render(&BTreeMap::from([("default".into(), Arc::new(view))]), Format::Text);
    let line = text.lines().find(|line| line.starts_with("slo_objective_ratio")).expect("told");
    let expected = "slo_objective_ratio{slo=\"s\",service=\"checkout\",group_9=\"3\",\
                    group___x=\"4\",a_b=\"1\",a_b_2=\"2\",k00=\"v\",k01=\"v\",k02=\"v\",\
                    k03=\"v\",group_rest=\"";
    assert!(line.starts_with(expected), "{line}");
    assert!(line.len() < expected.len() + 40, "{line}");
}

#[test]
fn a_long_value_is_cut_between_characters_and_stays_apart_from_its_like() {
    let of = |end: &str| {
        let group = pairs(&[("user", &format!("{}{end}", "\u{20ac}".repeat(100)))]);
        let view = View { slos: vec![SloStatus { group, ..slo("s") }], ..View::default() };
        let text = render(&BTreeMap::from([("default".into(), Arc::new(view))]), Format::Text);
        let (_, rest) = text.split_once("user=\"").expect("told");
        rest.split_once('"').expect("closed").0.to_owned()
    };
    assert_ne!(of("a"), of("b"));
    assert!(of("a").len() <= 128);
    assert!(of("a").starts_with(&"\u{20ac}".repeat(37)));
}

#[test]
fn whoever_may_see_one_tenant_sees_no_other() {
    let bank: Tenant = "bank".into();
    let body = Exposition::default().body(&views(), OWN, Some(&bank), Format::Text, false);
    let text = String::from_utf8(body.parts.concat()).expect("text");
    assert!(text.contains("tenant=\"bank\""));
    assert!(text.contains("fogbell_request_seconds_count"));
    assert!(!text.contains("tenant=\"shop\"") && !text.contains("by-route"), "{text}");
}

#[test]
fn a_look_is_rendered_once_and_shared_until_the_next() {
    let exposition = Exposition::default();
    let mut views = views();
    let first = |views: &BTreeMap<_, _>| {
        exposition.body(views, OWN, None, Format::Text, false).parts[0].as_ptr()
    };
    let rendered = first(&views);
    assert_eq!(first(&views.clone()), rendered);
    let _ = views.insert("bank".into(), Arc::new(View::default()));
    assert_ne!(first(&views), rendered);
}

#[test]
fn gzip_unpacks_to_the_same_text() {
    let exposition = Exposition::default();
    for format in [Format::Text, Format::OpenMetrics, Format::Text] {
        let body = exposition.body(&views(), OWN, None, format, true);
        assert!(body.gzip);
        let packed = body.parts.concat();
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
        let _ = decoder.read_to_string(&mut text).expect("one gzip stream with a true checksum");
        assert_eq!(text, whole(format));
        assert_eq!(decoder.into_inner().len(), 0, "nothing after the stream");
    }
}

#[test]
fn the_scraper_chooses_the_format() {
    const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;\
        q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;\
        escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, format) in [
        (PROMETHEUS, Format::OpenMetrics),
        ("application/openmetrics-text", Format::OpenMetrics),
        ("application/openmetrics-text; version=\"1.0.0\"", Format::OpenMetrics),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", Format::Text),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.5", Format::Text),
        ("application/openmetrics-text;q=0", Format::Text),
        ("*/*", Format::Text),
        ("", Format::Text),
    ] {
        let mut headers = HeaderMap::new();
        let _ = headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        assert_eq!(Format::negotiate(&headers), format, "{accept}");
    }
    for (accept, takes) in [
        ("gzip", true),
        ("br, GZIP;q=0.5", true),
        ("*", true),
        ("gzip;q=0, *", false),
        ("br", false),
    ] {
        let mut headers = HeaderMap::new();
        let _ = headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
        assert_eq!(takes_gzip(&headers), takes, "{accept}");
    }
    assert!(!takes_gzip(&HeaderMap::new()));
}

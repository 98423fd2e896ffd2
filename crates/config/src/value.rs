//! Readers of single values.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use document::Node;
use model::{PANE_NS, Urgency};
use slo::judge::{BurnRateRule, Fraction, Objective};

const TOPIC_BYTES_MAX: usize = 249;
const TENANT_BYTES_MAX: usize = 150;

pub(crate) fn path(node: &Node<'_>) -> Option<PathBuf> {
    node.name().map(PathBuf::from)
}

/// An IP address and a port; `localhost` is 127.0.0.1.
pub(crate) fn address(node: &Node<'_>) -> Option<SocketAddr> {
    let text = node.text()?;
    let parsed = match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port: u16| (Ipv4Addr::LOCALHOST, port).into()),
        None => text.parse().ok(),
    };
    if parsed.is_none() {
        let what = format!("{text:?} is no address to listen on");
        node.error(what, "write an IP address and a port, such as 127.0.0.1:4317 or [::]:4317");
    }
    parsed
}

/// A list of `host:port`.
pub(crate) fn brokers(node: &Node<'_>) -> Option<Vec<String>> {
    each(node, |item| {
        let text = item.name()?;
        let (host, port) = text.rsplit_once(':').unwrap_or((&text, ""));
        let plain = !text.contains(|c: char| c.is_whitespace() || c == ',' || c == '/');
        if host.is_empty() || port.parse::<u16>().is_err() || !plain {
            let what = format!("{text:?} is no broker");
            item.error(what, "write host:port, such as kafka-1:9092");
            return None;
        }
        Some(text)
    })
}

/// The name of a Kafka topic.
pub(crate) fn topic(node: &Node<'_>) -> Option<String> {
    let text = node.name()?;
    if is_topic(&text) {
        return Some(text);
    }
    node.error(
        format!("{text:?} is no name of a topic"),
        format!("write letters, digits, dots, dashes and underscores, at most {TOPIC_BYTES_MAX}"),
    );
    None
}

/// The name of a Kafka topic that may hold `{tenant}`.
pub(crate) fn tenant_topic(node: &Node<'_>) -> Option<String> {
    let text = node.name()?;
    if is_topic(&text.replace("{tenant}", "tenant")) {
        return Some(text);
    }
    let mend = "write letters, digits, dots, dashes, underscores and {tenant}";
    node.error(format!("{text:?} is no name of a topic"), mend);
    None
}

fn is_topic(name: &str) -> bool {
    name.len() <= TOPIC_BYTES_MAX && !matches!(name, "." | "..") && is_plain(name)
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// A name that becomes part of labels, topics and keys.
pub(crate) fn plain_name(node: &Node<'_>) -> Option<String> {
    let text = node.name()?;
    if is_plain(&text) && text.len() <= TENANT_BYTES_MAX {
        return Some(text);
    }
    let mend =
        format!("write letters, digits, dots, dashes and underscores, at most {TENANT_BYTES_MAX}");
    node.error(format!("{text:?} is no name"), mend);
    None
}

/// A share of good events, at least 0 and below 1.
pub(crate) fn objective(node: &Node<'_>) -> Option<Objective> {
    let text = node.text()?;
    let parsed = Fraction::parse(text).and_then(Objective::from_target);
    if parsed.is_none() {
        let what = format!("{text:?} is no share of at least 0 and below 1");
        node.error(what, "write it like 0.999, with at most nine decimal places");
    }
    parsed
}

/// A duration within a range that is named in the mend.
pub(crate) fn duration_in(
    node: &Node<'_>,
    range: std::ops::RangeInclusive<Duration>,
    shown: &str,
) -> Option<Duration> {
    let duration = node.duration()?;
    if range.contains(&duration) {
        return Some(duration);
    }
    let what = format!("{} is out of range", node.text().unwrap_or_default());
    node.error(what, format!("write one from {shown}"));
    None
}

pub(crate) fn urgency(node: &Node<'_>) -> Option<Urgency> {
    node.choice(&[("page", Urgency::Page), ("ticket", Urgency::Ticket)])
}

/// A row of `alerting.rules`.
pub(crate) fn rule(node: &Node<'_>) -> Option<BurnRateRule> {
    let mut map = node.map()?;
    let burn_rate = map.required("burn_rate").and_then(|node| {
        let text = node.text()?;
        let parsed = Fraction::parse(text).filter(|rate| rate.numerator() > 0);
        if parsed.is_none() {
            node.error(format!("{text:?} is no burn rate"), "write one above 0, such as 14.4");
        }
        parsed
    });
    let long = map.required("long").and_then(|node| rule_window(&node));
    let short = map.required("short").and_then(|node| rule_window(&node));
    let urgency = map.required("urgency").and_then(|node| urgency(&node));
    let (long, short) = (long?, short?);
    if short > long {
        node.error("short is longer than long", "exchange the two");
        return None;
    }
    Some(BurnRateRule { burn_rate: burn_rate?, long, short, urgency: urgency? })
}

/// Windows are made of whole panes.
fn rule_window(node: &Node<'_>) -> Option<Duration> {
    let pane = Duration::from_nanos(PANE_NS);
    let window = duration_in(node, pane..=Duration::from_secs(90 * 86_400), "5s to 90d")?;
    if window.as_nanos() % pane.as_nanos() != 0 {
        let what = format!("{} is no multiple of 5s", node.text().unwrap_or_default());
        node.error(what, "write one, such as 5m");
        return None;
    }
    Some(window)
}

/// All items of a list, every one of them read; `None` if one is wrong.
pub(crate) fn each<'a, T>(
    node: &Node<'a>,
    read: impl FnMut(&Node<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = node.list()?.iter().map(read).collect();
    items.into_iter().collect()
}

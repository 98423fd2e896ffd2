use std::collections::BTreeMap;

use auth::Tenant;

use super::Format;
use super::writer::escaped_help;

/// A family as the text format 0.0.4 tells it.
#[derive(Default)]
struct Family<'a> {
    help: &'a str,
    kind: &'a str,
    samples: Vec<&'a str>,
}

/// fogbell's own metrics, given in the text format 0.0.4, sorted and in the format that was asked
/// for. Whoever may see one tenant only sees no sample that another tenant's name is on.
pub(crate) fn render(text: &str, only: Option<&Tenant>, format: Format) -> String {
    let mut families = parse(text);
    let mut out = String::with_capacity(text.len());
    for (name, family) in &mut families {
        family.samples.retain(|sample| may_see(sample, only));
        if family.samples.is_empty() {
            continue;
        }
        sort(family);
        write(&mut out, name, family, format);
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

fn parse(text: &str) -> BTreeMap<&str, Family<'_>> {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    let mut current = "";
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            families.entry(name).or_default().help = help;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            families.entry(name).or_default().kind = kind;
            current = name;
        } else if !line.starts_with('#') {
            // Samples follow the type of their family; one that does not is a family of its own.
            let name = name_of(line);
            let family =
                if name.starts_with(current) && !current.is_empty() { current } else { name };
            families.entry(family).or_default().samples.push(line);
        }
    }
    families
}

fn name_of(sample: &str) -> &str {
    sample.split(['{', ' ']).next().unwrap_or(sample)
}

/// Tenants' names need no escaping, and a quote within another label's value is escaped: so these
/// characters stand for the tenant's label and nothing else.
fn may_see(sample: &str, only: Option<&Tenant>) -> bool {
    let Some(only) = only else { return true };
    let value = ["{tenant=\"", ",tenant=\""]
        .iter()
        .find_map(|start| sample.split_once(start))
        .and_then(|(_, rest)| rest.split_once('"'));
    value.is_none_or(|(tenant, _)| tenant == &**only)
}

/// By labels. What belongs together in a histogram or summary (its lines up to `_count`) stays
/// together and in its order, since buckets must ascend.
fn sort(family: &mut Family<'_>) {
    if !matches!(family.kind, "histogram" | "summary") {
        family.samples.sort_unstable();
        return;
    }
    let mut groups: Vec<Vec<&str>> = vec![Vec::new()];
    for sample in &family.samples {
        if let Some(group) = groups.last_mut() {
            group.push(sample);
        }
        if name_of(sample).ends_with("_count") {
            groups.push(Vec::new());
        }
    }
    groups.sort_by_key(|group| group.last().copied());
    family.samples = groups.concat();
}

fn write(out: &mut String, name: &str, family: &Family<'_>, format: Format) {
    let Family { help, kind, samples } = family;
    let (name, kind) = match format {
        Format::Text => (name, if kind.is_empty() { "untyped" } else { kind }),
        Format::OpenMetrics => open_metrics_head(name, kind),
    };
    if !help.is_empty() {
        let help = match format {
            Format::Text => (*help).into(),
            Format::OpenMetrics => escaped_help(&unescaped(help), format).into_owned(),
        };
        out.extend(["# HELP ", name, " ", &help, "\n"]);
    }
    out.extend(["# TYPE ", name, " ", kind, "\n"]);
    for sample in samples {
        match format {
            Format::OpenMetrics if kind == "histogram" => push_bucket(out, sample),
            Format::Text | Format::OpenMetrics => out.push_str(sample),
        }
        out.push('\n');
    }
}

/// OpenMetrics names a counter without the `_total` of its sample, and knows no other counters.
fn open_metrics_head<'a>(name: &'a str, kind: &'a str) -> (&'a str, &'a str) {
    match (kind, name.strip_suffix("_total")) {
        ("counter", Some(bare)) => (bare, kind),
        ("gauge" | "histogram" | "summary", _) => (name, kind),
        _ => (name, "unknown"),
    }
}

/// OpenMetrics writes bounds as fractions: `le="1.0"`.
fn push_bucket(out: &mut String, sample: &str) {
    const LE: &str = "le=\"";
    let parts = sample.split_once(LE).and_then(|(before, rest)| {
        let (bound, after) = rest.split_once('"')?;
        bound.bytes().all(|b| b.is_ascii_digit()).then_some((before, bound, after))
    });
    match parts {
        Some((before, bound, after)) => out.extend([before, LE, bound, ".0\"", after]),
        None => out.push_str(sample),
    }
}

fn unescaped(help: &str) -> String {
    let mut out = String::with_capacity(help.len());
    let mut characters = help.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

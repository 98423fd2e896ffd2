use document::{Fields, Node, Problems, suggest};
use model::Telemetry;

use super::compile::Refusal;
use super::measure::{Measure, Threshold};
use super::read::fraction;
use super::{
    Documents, Indicator, Metric, MetricSource, Numerator, RawType, Selector, Sli, Spot,
    Unsupported,
};
use crate::filter::{Field, Filter, FilterError, Intrinsic, ValueSplit, unit_ns};
use crate::judge::Fraction;

/// Most fields of one `groupBy`.
pub const GROUP_BY_KEYS_MAX: usize = 4;

impl Documents {
    /// What an SLI measures.
    pub(super) fn measure(&self, sli: &Sli, problems: &Problems) -> Result<Measure, Refusal> {
        match &sli.metric {
            Metric::Threshold(source) => self.threshold(source, problems),
            Metric::RawSuccess(source) => self.raw(RawType::Success, source, problems),
            Metric::RawFailure(source) => self.raw(RawType::Failure, source, problems),
            Metric::Good { good, total } => self.ratio(good, total, Numerator::Good, problems),
            Metric::Bad { bad, total } => self.ratio(bad, total, Numerator::Bad, problems),
        }
    }

    fn ratio(
        &self,
        selected: &MetricSource,
        total: &MetricSource,
        numerator: fn(Selector) -> Numerator,
        problems: &Problems,
    ) -> Result<Measure, Refusal> {
        // Both are read before either is judged, so that the errors of both come at once.
        let (first, second) = (self.selector(selected, problems), self.selector(total, problems));
        let (mut first, mut second) = (first?, second?);
        if first.signal != second.signal {
            let what = "selects another signal than total";
            selected.spot.error(problems, what, "count both sides in the same signal");
            return Err(Refusal::Reported);
        }
        match (first.group_by.is_empty(), second.group_by.is_empty()) {
            (true, false) => first.group_by.clone_from(&second.group_by),
            (false, true) => second.group_by.clone_from(&first.group_by),
            _ if first.group_by != second.group_by => {
                let what = "groups by other fields than total";
                selected.spot.error(problems, what, "write the same groupBy on both sides");
                return Err(Refusal::Reported);
            }
            _ => {}
        }
        Ok(Measure::Ratio(Indicator::Ratio { numerator: numerator(first), total: second }))
    }

    fn raw(
        &self,
        raw_type: RawType,
        source: &MetricSource,
        problems: &Problems,
    ) -> Result<Measure, Refusal> {
        let selector = self.selector(source, problems)?;
        if selector.signal != Telemetry::Metrics {
            let what = "a raw ratio is the value of a metric";
            source.spot.error(problems, what, "write signal: metrics, or good and total");
            return Err(Refusal::Reported);
        }
        Ok(Measure::Ratio(Indicator::Raw { raw_type, selector }))
    }

    fn threshold(&self, source: &MetricSource, problems: &Problems) -> Result<Measure, Refusal> {
        let node = self.otlp_spec(source, problems)?;
        let read = node.map().and_then(|mut map| {
            let selector = otlp(&mut map);
            let signal = selector.as_ref().map(|selector| selector.signal);
            let field = measured(signal, &mut map);
            let unit_ns = match (map.get("unit"), &field) {
                (None, _) => Some(None),
                (Some(node), Some(Field::Intrinsic(_))) => unit(&node).map(Some),
                (Some(node), _) => {
                    let what = "an attribute carries no unit";
                    node.error(what, "write the objective's value as the attribute has it");
                    None
                }
            };
            let quantile = match map.get("quantile") {
                None => Some(None),
                Some(node) => quantile(&node).map(Some),
            };
            let (field, unit_ns, quantile) = (field?, unit_ns?, quantile?);
            let spot = source.spot.clone();
            Some(Threshold { selector: selector?, field, unit_ns, quantile, spot })
        });
        read.map(Measure::Threshold).ok_or(Refusal::Reported)
    }

    fn selector(&self, source: &MetricSource, problems: &Problems) -> Result<Selector, Refusal> {
        let node = self.otlp_spec(source, problems)?;
        node.map().and_then(|mut map| otlp(&mut map)).ok_or(Refusal::Reported)
    }

    /// `spec` of a source of type `otlp`.
    fn otlp_spec<'a>(
        &self,
        source: &'a MetricSource,
        problems: &'a Problems,
    ) -> Result<Node<'a>, Refusal> {
        let kind = self.source_kind(source, problems)?;
        if !kind.eq_ignore_ascii_case("otlp") {
            return Err(Refusal::unsupported(Unsupported::Source(kind), &source.spot));
        }
        match &source.spec {
            Some(spec) => Ok(Node::at(spec, &format!("{}.spec", source.spot.path), problems)),
            None => {
                let what = "spec is missing";
                source.spot.error(problems, what, "add spec with signal and filter");
                Err(Refusal::Reported)
            }
        }
    }

    fn source_kind(&self, source: &MetricSource, problems: &Problems) -> Result<String, Refusal> {
        let referred = match &source.data_source {
            None => None,
            Some((name, spot)) => {
                let found = self.data_sources().get(name.as_str()).map(|known| known.kind.as_str());
                // A type of its own says all that is needed of a data source kept elsewhere.
                if found.is_none() && source.kind.is_none() {
                    return Err(self.unresolved("DataSource", name, spot, problems));
                }
                found
            }
        };
        match (source.kind.as_deref(), referred) {
            (Some(own), Some(referred)) if !own.eq_ignore_ascii_case(referred) => {
                let what = format!("type {own:?} is not that of its data source, {referred:?}");
                source.spot.error(problems, what, "remove type");
                Err(Refusal::Reported)
            }
            (Some(kind), _) | (None, Some(kind)) => Ok(kind.to_owned()),
            (None, None) => {
                source.spot.error(problems, "type is missing", "add type: otlp");
                Err(Refusal::Reported)
            }
        }
    }
}

fn otlp(map: &mut Fields<'_>) -> Option<Selector> {
    let signal = map.required("signal").and_then(|node| {
        node.choice(&[
            ("traces", Telemetry::Traces),
            ("metrics", Telemetry::Metrics),
            ("logs", Telemetry::Logs),
        ])
    });
    let (filter, group_by) = (map.required("filter"), map.get("groupBy"));
    let signal = signal?;
    let filter = filter.and_then(|node| read_filter(signal, &node));
    let group_by = match group_by {
        None => Some(Vec::new()),
        Some(node) => read_group_by(signal, &node),
    };
    Some(Selector { signal, filter: filter?, group_by: group_by? })
}

/// What a threshold is held against: `value` of the source's spec, else a span's duration or a
/// metric's value. The signal is none if it was wrong.
fn measured(signal: Option<Telemetry>, map: &mut Fields<'_>) -> Option<Field> {
    let Some(node) = map.get("value") else {
        return match signal? {
            Telemetry::Traces => Some(Field::Intrinsic(Intrinsic::Duration)),
            Telemetry::Metrics => Some(Field::Intrinsic(Intrinsic::Value)),
            Telemetry::Logs => {
                map.node().error("value is missing", "add value: log.KEY, which holds the number");
                None
            }
        };
    };
    match Field::parse(signal?, node.text()?) {
        Ok(field) if field.holds_numbers() => Some(field),
        Ok(field) => {
            node.error(format!("`{field}` holds no number to compare"), "name an attribute");
            None
        }
        Err(error) => {
            report(&node, error);
            None
        }
    }
}

fn unit(node: &Node<'_>) -> Option<f64> {
    let text = node.text()?;
    let found = unit_ns(text);
    if found.is_none() {
        node.error(format!("{text:?} is no unit of time"), "write one of ns, us, ms, s, min, h, d");
    }
    found
}

fn quantile(node: &Node<'_>) -> Option<Fraction> {
    let quantile = fraction(node)?;
    if quantile.numerator() == 0 || quantile.numerator() >= quantile.denominator() {
        node.error("a quantile lies between 0 and 1", "write for example 0.99");
        return None;
    }
    Some(quantile)
}

fn read_filter(signal: Telemetry, node: &Node<'_>) -> Option<Filter> {
    match Filter::parse(signal, node.text()?) {
        Ok(filter) => {
            if let ValueSplit::Unsplittable { column } = filter.split_value_bound() {
                node.warn(
                    format!("column {column}: buckets of histograms cannot tell this"),
                    "for histograms write `value` once, with < <= > or >=, joined by &&",
                );
            }
            Some(filter)
        }
        Err(errors) => {
            errors.into_iter().for_each(|error| report(node, error));
            None
        }
    }
}

fn read_group_by(signal: Telemetry, node: &Node<'_>) -> Option<Vec<Field>> {
    let list = node.list()?;
    if list.len() > GROUP_BY_KEYS_MAX {
        node.error(format!("has {} fields", list.len()), format!("keep {GROUP_BY_KEYS_MAX}"));
        return None;
    }
    let fields: Vec<Option<Field>> = list.iter().map(|item| group_field(signal, item)).collect();
    fields.into_iter().collect()
}

fn group_field(signal: Telemetry, node: &Node<'_>) -> Option<Field> {
    match Field::parse(signal, node.text()?) {
        Ok(Field::Intrinsic(
            unbounded @ (Intrinsic::Duration
            | Intrinsic::Value
            | Intrinsic::Body
            | Intrinsic::StatusMessage),
        )) => {
            let what = format!("`{}` has too many values to group by", unbounded.as_str());
            node.error(what, "group by an attribute");
            None
        }
        Ok(field) => Some(field),
        Err(error) => {
            report(node, error);
            None
        }
    }
}

fn report(node: &Node<'_>, error: FilterError) {
    node.error(format!("column {}: {}", error.column, error.what), error.mend);
}

impl Documents {
    /// Reports a name that no document bears; silent where its document was read and refused,
    /// since that has been reported.
    pub(super) fn unresolved(
        &self,
        kind: &'static str,
        name: &str,
        spot: &Spot,
        problems: &Problems,
    ) -> Refusal {
        if self.is_known(kind, name) {
            return Refusal::Reported;
        }
        let mend = match suggest(name, self.names(kind)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("add a document of kind {kind} with this name"),
        };
        spot.error(problems, format!("there is no {kind} named {name:?}"), mend);
        Refusal::Reported
    }
}

use http::{HeaderMap, header};

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    /// The text format 0.0.4, which every scraper reads.
    Text,
    /// OpenMetrics 1.0, which carries exemplars.
    OpenMetrics,
}

impl Format {
    /// What the scraper likes best of the two; text if it does not say.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let (mut open_metrics, mut text) = (0.0, 0.0);
        for item in listed(headers, header::ACCEPT) {
            let known = |version: &str| match item.parameter("version") {
                Some(asked) => asked == version,
                None => true,
            };
            match item.name.as_str() {
                "application/openmetrics-text" if known("1.0.0") => {
                    open_metrics = item.quality().max(open_metrics);
                }
                "text/plain" if known("0.0.4") => text = item.quality().max(text),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= text { Self::OpenMetrics } else { Self::Text }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Whether the scraper takes gzip.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let quality = |name: &str| {
        let mut items = listed(headers, header::ACCEPT_ENCODING).into_iter();
        items.find(|item| item.name == name).map(|item| item.quality())
    };
    quality("gzip").or_else(|| quality("*")).is_some_and(|quality| quality > 0.0)
}

/// One item of a comma-separated header: a name and its parameters, all in lower case.
struct Item {
    name: String,
    parameters: Vec<(String, String)>,
}

impl Item {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The weight of RFC 9110, section 12.4.2; 1 if it is not told, 0 if it is no number.
    fn quality(&self) -> f64 {
        self.parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0))
    }
}

fn listed(headers: &HeaderMap, name: header::HeaderName) -> Vec<Item> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(item).collect()
}

fn item(text: &str) -> Item {
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let name = parts.next().unwrap_or_default();
    let parameters = parts
        .filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
        })
        .collect();
    Item { name, parameters }
}

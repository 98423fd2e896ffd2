//! What sort of trouble an alert is about.

/// By what the words of an alert's name say, the least telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AlertKind {
    /// Nothing comes any more: what should have sent it is elsewhere.
    Absence,
    /// Requests fail or are slow.
    Requests,
    /// A process, container or host is not well.
    Health,
}

/// Words for each kind; what has none of them is about requests.
const OF_ABSENCE: [&str; 6] = ["no", "absent", "missing", "stopped", "silent", "down"];
const OF_HEALTH: [&str; 16] = [
    "pod",
    "container",
    "node",
    "deployment",
    "statefulset",
    "daemonset",
    "replicas",
    "memory",
    "cpu",
    "disk",
    "volume",
    "oom",
    "killed",
    "crash",
    "crashing",
    "restarting",
];

impl AlertKind {
    pub(crate) fn of(alertname: &str) -> Self {
        let words = words(alertname);
        let holds = |of: &[&str]| words.iter().any(|word| of.contains(&word.as_str()));
        if holds(&OF_HEALTH) {
            Self::Health
        } else if holds(&OF_ABSENCE) {
            Self::Absence
        } else {
            Self::Requests
        }
    }
}

/// The words of a name in camel case, or with anything but letters between them.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        let begins = letter.is_uppercase() && !before.is_uppercase();
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_kind_by_its_words() {
        for (name, kind) in [
            ("HighRequestErrorRate", AlertKind::Requests),
            ("ErrorBudgetBurn", AlertKind::Requests),
            ("NoRequestsReceived", AlertKind::Absence),
            ("SloNoData", AlertKind::Absence),
            ("KubePodNotReady", AlertKind::Health),
            ("node_memory_pressure", AlertKind::Health),
            ("Notable latency", AlertKind::Requests),
            ("", AlertKind::Requests),
        ] {
            assert_eq!(AlertKind::of(name), kind, "{name}");
        }
    }
}

//! What is printed.

use benches::group::Group;

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// A line of JSON for each row.
    Json,
}

/// What a case took.
#[derive(Debug)]
pub(crate) struct Row {
    pub case: &'static str,
    /// For each item, without the hand-over.
    pub ns: f64,
    /// For each item.
    pub hand_over_ns: f64,
    /// To the group's first case, hand-over included: the median of the rounds.
    pub ratio: f64,
    /// Items that were taken and left out.
    pub dropped: u64,
}

impl Output {
    pub(crate) fn begin(self) {
        if self == Self::Table {
            println!("{}\n", cpu());
        }
    }

    pub(crate) fn group(self, group: Group, rounds: usize, rows: &[Row]) {
        let (content, shape) = (group.content(), group.shape());
        if self == Self::Table {
            println!(
                "{}: {} {} a request, {} services x {} routes, medians of {rounds} rounds",
                group.name(),
                shape.batch,
                content.items(),
                shape.services,
                shape.routes
            );
            let unit = format!("ns/{}", content.item());
            let first = rows.first().map_or("", |row| row.case);
            println!("{:<27} {unit:>9} {:>11} {:>20}", "", "+ hand-over", format!("x {first}"));
        }
        for row in rows {
            self.row(group.name(), row);
        }
        if self == Self::Table {
            println!();
        }
    }

    fn row(self, group: &str, row: &Row) {
        let Row { case, ns, hand_over_ns, ratio, dropped } = row;
        if self == Self::Json {
            println!(
                "{}",
                serde_json::json!({
                    "group": group, "case": case, "ns": ns, "hand_over_ns": hand_over_ns,
                    "ratio": ratio, "dropped": dropped,
                })
            );
            return;
        }
        let dropped = if *dropped > 0 { format!("  DROPPED {dropped}") } else { String::new() };
        println!("{case:<27} {ns:>9.1} {hand_over_ns:>11.1} {ratio:>20.2}{dropped}");
    }

    /// A figure that is no row of a group.
    pub(crate) fn figure(self, group: &str, case: &str, value: f64, unit: &str) {
        match self {
            Self::Table => println!("{case:<27} {value:>9.1} {unit}"),
            Self::Json => {
                let line = serde_json::json!({ "group": group, "case": case, "value": value });
                println!("{line}");
            }
        }
    }

    pub(crate) fn remark(self, remark: &str) {
        if self == Self::Table {
            println!("{remark}");
        }
    }
}

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", model.map_or("unknown CPU", |(_, name)| name))
}

use super::*;
use crate::{PROBLEMS_MAX, parse};

/// Reads `text` with `read` and gives what it made and all problems as printed.
fn read<T>(text: &str, read: impl FnOnce(&Node<'_>) -> T) -> (T, Vec<String>) {
    let problems = Problems::new();
    let trees = parse("fogbell.yaml", text, &problems);
    let value = read(&Node::root(&trees[0], &problems));
    (value, problems.into_sorted().iter().map(ToString::to_string).collect())
}

#[test]
fn reads_every_type() {
    let text = "s: text\ni: 10_000\nf: 14.4\nb: true\nd: 1h30m\nz: 16MiB\nc: durable\nl: [a, 1]\n";
    let ((), problems) = read(text, |node| {
        let mut map = node.map().unwrap();
        assert_eq!(map.required("s").unwrap().string().as_deref(), Some("text"));
        assert_eq!(map.required("i").unwrap().int::<u32>(0..=10_000), Some(10_000));
        assert_eq!(map.required("f").unwrap().float(), Some(14.4));
        assert_eq!(map.required("b").unwrap().bool(), Some(true));
        assert_eq!(map.required("d").unwrap().duration(), Some(Duration::from_secs(5400)));
        assert_eq!(map.required("z").unwrap().bytes(), Some(16 << 20));
        let table = [("accepted", 1), ("durable", 2)];
        assert_eq!(map.required("c").unwrap().choice(&table), Some(2));
        assert_eq!(map.required("l").unwrap().strings().unwrap(), ["a", "1"]);
    });
    assert_eq!(problems, [""; 0]);
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_text() {
    let text = "\
receive:
  ack: durabel
  size: 16mb
  often: 5
  on: yes
  factor: fast
  count: 11
  list: one
  liszt: [one]
  other: 1
";
    let (_, problems) = read(text, |node| {
        let mut root = node.map().unwrap();
        let mut map = root.required("receive").unwrap().map().unwrap();
        map.required("missing");
        map.get("list").unwrap().list();
        map.get("count").unwrap().int::<u8>(1..=10);
        map.get("factor").unwrap().float();
        map.get("on").unwrap().bool();
        map.get("often").unwrap().duration();
        map.get("size").unwrap().bytes();
        map.get("ack").unwrap().choice(&[("accepted", 1), ("durable", 2)]);
    });
    assert_eq!(
        problems,
        [
            "fogbell.yaml:2:3: receive: missing is missing; add missing",
            "fogbell.yaml:2:8: receive.ack: \"durabel\" is not one of accepted, durable; write one of these",
            "fogbell.yaml:3:9: receive.size: \"16mb\" has an unknown unit; write a size such as 64KiB, 16MiB or 1GiB",
            "fogbell.yaml:4:10: receive.often: \"5\" has no unit; write a duration such as 300ms, 5m, 1h30m or 30d",
            "fogbell.yaml:5:7: receive.on: \"yes\" is neither true nor false; write true or false",
            "fogbell.yaml:6:11: receive.factor: \"fast\" is no number; write a number such as 14.4",
            "fogbell.yaml:7:10: receive.count: \"11\" is out of range; write one from 1 to 10",
            "fogbell.yaml:8:9: receive.list: is a single value, not a list; write [..] or one item a line, each after a dash",
            "fogbell.yaml:9:3: receive.liszt: unknown key; did you mean list?",
            "fogbell.yaml:10:3: receive.other: unknown key; known here: ack, count, factor, list, missing, often, on, size",
        ]
    );
}

#[test]
fn null_is_absent_unless_asked_for() {
    let ((), problems) = read("a: null\nb: ~\n", |node| {
        let mut map = node.map().unwrap();
        assert!(map.get("a").is_none());
        assert!(map.get_or_null("b").unwrap().is_null());
        assert!(map.get_or_null("c").is_none());
    });
    assert_eq!(problems, [""; 0]);
}

#[test]
fn long_values_and_many_problems_are_cut() {
    let long = "x".repeat(1000);
    let text = format!("[{}]", vec![long.as_str(); PROBLEMS_MAX + 5].join(","));
    let (_, problems) = read(&text, |node| {
        for item in node.list().unwrap() {
            item.bool();
        }
    });
    assert_eq!(problems.len(), PROBLEMS_MAX + 1);
    assert!(problems.iter().all(|problem| problem.len() < 200));
    assert_eq!(
        problems.last().unwrap(),
        "fogbell.yaml: 5 more problems are not shown; mend these first"
    );
}

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> (Vec<Tree>, Vec<String>) {
    let problems = Problems::new();
    let trees = parse("a.yaml", text, &problems);
    (trees, problems.into_sorted().iter().map(ToString::to_string).collect())
}

fn place_of(tree: &Tree) -> (u32, u32) {
    (tree.place.line, tree.place.column)
}

#[test]
fn every_value_knows_its_place() {
    let (trees, problems) = read("a: 1\nb:\n  c: [x, 'y']\n  d: { e: ~ }\n---\nf: |\n  text\n");
    assert_eq!(problems, [""; 0]);
    let [first, second] = trees.as_slice() else { panic!("two documents") };
    let b = first.get("b").unwrap();
    assert_eq!(place_of(first.get("a").unwrap()), (1, 4));
    assert_eq!(place_of(b), (3, 3));
    let Value::List(items) = &b.get("c").unwrap().value else { panic!("a list") };
    assert_eq!(items.iter().map(place_of).collect::<Vec<_>>(), [(3, 7), (3, 10)]);
    assert_eq!(b.get("d").unwrap().get("e").unwrap().value, Value::Null);
    assert_eq!(place_of(second.get("f").unwrap()), (7, 3));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let (trees, problems) = read("\u{feff}a: 1\n");
    assert_eq!(problems, [""; 0]);
    assert!(trees[0].get("a").is_some());
}

#[test]
fn aliases_are_expanded() {
    let (trees, problems) = read("a: &x { k: 1 }\nb: *x\n");
    assert_eq!(problems, [""; 0]);
    assert_eq!(trees[0].get("b"), trees[0].get("a"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, expected) in [
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3:1: the key \"a\" is given twice; remove one of the two"),
        ("a: !secret x\n", "a.yaml:1:4: the tag !secret is not known; remove the tag"),
        ("a: &x [*x]\n", "a.yaml:1:8: an alias stands inside its own anchor; write it out"),
        ("[a]: 1\n", "a.yaml:1:1: a key must be a string; write a plain key"),
    ] {
        assert_eq!(read(text).1, [expected], "{text}");
    }
    let (_, problems) = read("a: [1, 2\nb: 3\n");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("a.yaml:2:"), "{problems:?}");
    assert!(problems[0].contains("not YAML"), "{problems:?}");
}

#[test]
fn documents_before_a_syntax_error_are_kept() {
    let (trees, problems) = read("a: 1\n---\nb: ]\n");
    assert_eq!((trees.len(), problems.len()), (1, 1));
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..12 {
        let items = vec![format!("*a{}", i - 1); 9].join(",");
        writeln!(text, "a{i}: &a{i} [{items}]").unwrap();
    }
    let (trees, problems) = read(&text);
    assert!(trees.is_empty());
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("more than 200000 values, aliases expanded"), "{problems:?}");
}

#[test]
fn an_alias_bomb_of_long_text_is_refused() {
    let long = "x".repeat(1 << 20);
    let text = format!("a: &a {long}\nb: [{}]\n", ["*a"; 40].join(","));
    let (_, problems) = read(&text);
    assert!(problems[0].contains("bytes of text, aliases expanded"), "{problems:?}");
}

#[test]
fn deep_nesting_is_refused() {
    let flow = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    let block = (0..100).fold(String::new(), |mut text, i| {
        writeln!(text, "{}k:", " ".repeat(i)).unwrap();
        text
    });
    let cases = [
        (flow, "nested more than 64 deep"),
        (block, "nested more than 64 deep"),
        ("[".repeat(100_000), "recursion limit exceeded"),
    ];
    for (text, expected) in cases {
        let (trees, problems) = read(&text);
        assert!(trees.is_empty());
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn a_huge_file_is_refused_unread() {
    let (trees, problems) = read(&"#".repeat(FILE_BYTES_MAX + 1));
    assert!(trees.is_empty());
    assert_eq!(
        problems,
        ["a.yaml:1:1: 4194305 bytes are more than the 4194304 that are read; split the file"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_text_makes_it_panic(text in "[\\-a-c:&*!|>\\[\\]{}, \n'\"#%?@~\t]{0,80}") {
        let (trees, problems) = read(&text);
        prop_assert!(trees.len() <= text.len());
        prop_assert!(problems.len() <= text.len() + 1);
    }
}

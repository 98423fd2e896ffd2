use std::borrow::Cow;

use proptest::prelude::*;

use super::{RedactError, Redactor};

fn redactor() -> Redactor {
    Redactor::new(&[], &[]).expect("the built-in rules compile")
}

#[test]
fn secrets_and_personal_data_are_replaced_by_their_kind() {
    let redactor = redactor();
    for (text, expected) in [
        ("Authorization: Bearer abc.def-123", "Authorization: <redacted:token>"),
        ("sent Bearer a1b2c3d4e5 to peer", "sent Bearer <redacted:token> to peer"),
        ("basic dXNlcjpwYXNz refused", "basic <redacted:token> refused"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl end", "jwt <redacted:jwt> end"),
        ("charge with sk_live_4eC39HqLyjWDarjtT1zdp7dc", "charge with <redacted:api_key>"),
        ("key AKIAIOSFODNN7EXAMPLE leaked", "key <redacted:api_key> leaked"),
        ("ghp_0123456789abcdefghij0123456789abcdef", "<redacted:api_key>"),
        ("user=bob password=hunter2, retry", "user=bob password=<redacted:secret>, retry"),
        (r#"{"db_password": "a b\c", "n": 1}"#, r#"{"db_password": <redacted:secret>, "n": 1}"#),
        ("client_secret: 'x y'", "client_secret: <redacted:secret>"),
        (
            "GET /cb?code=4f6a&state=zz&page=2",
            "GET /cb?code=<redacted:secret>&state=<redacted:secret>&page=2",
        ),
        ("https://h/x?access_token=abc#frag", "https://h/x?access_token=<redacted:secret>"),
        ("no user jane.doe+x@example.co.uk found", "no user <redacted:email> found"),
        (
            "dial postgres://app:s3cr3t@db:5432/x",
            "dial postgres://<redacted:credentials>@db:5432/x",
        ),
        ("card 4111 1111 1111 1111 declined", "card <redacted:card> declined"),
        ("card 378282246310005 declined", "card <redacted:card> declined"),
        ("to DE89 3704 0044 0532 0130 00", "to <redacted:iban>"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc", "<redacted:private_key>"),
    ] {
        assert_eq!(redactor.redact(text), expected, "{text}");
        assert_eq!(redactor.redact(expected), expected, "again: {text}");
    }
}

#[test]
fn clean_text_is_handed_back_as_it_is() {
    let redactor = redactor();
    for text in [
        "",
        "GET /products/{id}",
        "shop.PaymentService/Charge",
        "basic authentication failed",
        "connect cart.shop.svc:7070: connection refused",
        "Cannot read properties of undefined (reading 'minorUnits')",
        "order 4111111111111112 not found",
        "at 1795403045678000000 ns",
        "payment-1a2b3c4-5d6e7",
        "checkout@eu",
        "429 Too Many Requests: quota of merchant exceeded, retry later",
        "GB82 WEST 1234 5698 7654 33",
    ] {
        assert!(matches!(redactor.redact(text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn only_conventional_and_named_attributes_are_kept() {
    let redactor = Redactor::new(&["acme.plan".to_owned(), "acme.flags.*".to_owned()], &[])
        .expect("no patterns");
    for key in [
        "service.version",
        "cloud.region",
        "http.route",
        "error.type",
        "k8s.pod.name",
        "acme.plan",
        "acme.flags.new_cart",
    ] {
        assert!(redactor.keeps(key), "{key}");
    }
    for key in [
        "user.email",
        "http.request.header.authorization",
        "rpc.grpc.request.metadata.authorization",
        "db.query.text",
        "client.address",
        "acme.planet",
        "url.full",
        "",
    ] {
        assert!(!redactor.keeps(key), "{key}");
    }
}

#[test]
fn added_patterns_are_replaced_and_bad_ones_named() {
    let redactor = Redactor::new(&[], &["CUST-[0-9]+".to_owned()]).expect("a good pattern");
    assert_eq!(redactor.redact("unknown CUST-12"), "unknown <redacted:custom>");
    let bad = Redactor::new(&[], &["ok".to_owned(), "(".to_owned()]).expect_err("unclosed");
    assert!(matches!(bad, RedactError::Pattern { index: 1, .. }), "{bad}");
    let many = vec!["a".to_owned(); 65];
    assert!(matches!(Redactor::new(&[], &many), Err(RedactError::TooMany(65))));
}

proptest! {
    #[test]
    fn any_text_is_taken_and_a_second_pass_changes_nothing(text in "\\PC{0,200}") {
        let redactor = redactor();
        let once = redactor.redact(&text).into_owned();
        prop_assert_eq!(redactor.redact(&once).into_owned(), once);
    }

    #[test]
    fn a_password_never_survives(value in "[A-Za-z0-9!#%/+-]{4,40}", prefix in "[a-z ]{0,10}") {
        let text = format!("{prefix} password={value} tail");
        let redactor = redactor();
        let redacted = redactor.redact(&text);
        prop_assert!(!redacted.contains(&value) || "password tail redacted:secret".contains(&value), "{}", redacted);
    }
}

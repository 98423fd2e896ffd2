use otlp::Value;

use super::*;

#[test]
fn the_current_name_wins_over_the_older_one_in_either_order() {
    for keys in [["http.method", "http.request.method"], ["http.request.method", "http.method"]] {
        let mut fields = Fields::new();
        for key in keys {
            let value: &[u8] = if key == "http.method" { b"old" } else { b"new" };
            fields.read(key.as_bytes(), Value::Str(value));
        }
        assert_eq!((fields.get(Text::Method), fields.protocol), (&b"new"[..], Protocol::Http));
        fields.read(b"db.operation.name", Value::Str(b"new"));
        fields.read(b"db.operation", Value::Str(b"old"));
        assert_eq!((fields.get(Text::DbOperation), fields.protocol), (&b"new"[..], Protocol::Http));
        fields.clear();
        assert_eq!(fields.get(Text::Method), b"");
    }
}

#[test]
fn grpc_codes_are_read_from_numbers_and_names() {
    for (value, code) in [
        (Value::Int(14), 14),
        (Value::Str(b"14"), 14),
        (Value::Str(b"UNAVAILABLE"), 14),
        (Value::Str(b"deadline_exceeded"), 4),
        (Value::Str(b"OK"), 0),
        (Value::Int(17), -1),
        (Value::Int(-1), -1),
        (Value::Str(b"whatever"), -1),
        (Value::Bool(true), -1),
    ] {
        let mut fields = Fields::new();
        fields.read(b"rpc.response.status_code", value);
        assert_eq!(fields.rpc_status, code, "{value:?}");
    }
}

#[test]
fn every_key_in_the_list_is_read_and_its_neighbours_are_not() {
    let trace = |fields: &Fields<'_>| format!("{fields:?}");
    for key in known::KNOWN.map(|known| known.key) {
        let values = [Value::Str(b"7"), Value::Int(7), Value::Bool(true)];
        let reads = |key: &[u8]| {
            values.iter().any(|value| {
                // The texts borrow from the key's lifetime, so it has to live on.
                let key: &'static [u8] = Box::leak(key.into());
                let mut fields = Fields::new();
                fields.read(key, *value);
                trace(&fields) != trace(&Fields::new())
            })
        };
        assert!(reads(key), "{}", String::from_utf8_lossy(key));
        let mut other = key.to_vec();
        other[key.len() - 1] ^= 1;
        assert!(!reads(&other), "{}", String::from_utf8_lossy(&other));
    }
}

#[test]
fn a_database_reached_over_http_is_a_database() {
    let mut fields = Fields::new();
    fields.read(b"http.request.method", Value::Str(b"POST"));
    fields.read(b"db.system.name", Value::Str(b"elasticsearch"));
    fields.read(b"http.response.status_code", Value::Int(200));
    assert_eq!(fields.protocol, Protocol::Database);
}

use std::fs;
use std::time::Duration;

use document::Level;
use model::Urgency;
use slo::judge::{BurnRateRule, Fraction, Objective};

use super::*;

/// Loads a text with variables, and gives the problems as printed.
fn load(text: &str, env: &[(&str, &str)]) -> (Config, Vec<String>) {
    let mut env = env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let (config, problems) = Config::load(Some(("fogbell.yaml", text)), &mut env);
    (config, problems.iter().map(ToString::to_string).collect())
}

fn objective(text: &str) -> Objective {
    Objective::from_target(Fraction::parse(text).unwrap()).unwrap()
}

#[test]
fn the_reference_is_the_default() {
    let (config, problems) = load(REFERENCE, &[]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(config, Config::default());
}

#[test]
fn no_file_and_an_empty_file_are_the_default() {
    let (config, problems) = Config::load(None, &mut std::iter::empty());
    assert_eq!((config, problems), (Config::default(), Vec::new()));
    for text in ["", "# nothing\n", "receive:\napi: ~\n"] {
        assert_eq!(load(text, &[]), (Config::default(), Vec::new()), "{text}");
    }
}

const EVERY_KEY: &str = r#"
data_dir: /var/lib/fogbell
receive:
  otlp: { grpc: { listen: "0.0.0.0:4317" }, http: { listen: "[::1]:14318" } }
  request_bytes_max: 4MiB
  ack: durable
  kafka: { brokers: ["k1:9092"], topics: { traces: t, metrics: m, logs: l }, group: g }
api: { listen: "localhost:8421" }
auth:
  insecure: true
  tenants: [{ name: shop, token_file: shop.token, role: responder }]
slos:
  files: [a.yaml, b/*.yaml]
  automatic: false
  automatic_defaults: { availability: 0.99, latency_ratio: 0.95, latency: 1s, window: 7d }
alerting:
  rules: [{ burn_rate: 2, long: 1h, short: 1h, urgency: ticket }]
  bad_events_min: 1
  service_labels: [team]
  resolve_after: 1m
enrich: { trace_url: "http://t/{trace_id}", catalog: c.yaml, attributes_keep: [a], redact: ["x+"] }
maintenance: [{ name: m, start: "2026-01-31 02:00:00", duration: 30m }]
emit:
  kafka:
    brokers: ["k2:9092"]
    format: json
    topics: { incidents: "{tenant}.i", events: e, pages: p, tickets: t }
    create_topics: null
    properties: { sasl.password: hunter2, linger.ms: 5 }
  grpc: [{ name: ticketing, endpoint: "http://127.0.0.1:9999", urgencies: [ticket] }]
limits: { memory_bytes: 1GiB, work_ahead: 250ms, recall_bytes: 1MiB, services: 1, series: 2, groups_per_slo: 3, tag_values_per_key: 4 }
log: { level: debug, format: json }
"#;

#[test]
fn every_key_is_read() {
    let (config, problems) = load(EVERY_KEY, &[]);
    let unsupported = |problem: &String| problem.contains("is not supported yet");
    assert!(problems.len() == 2 && problems.iter().all(unsupported), "{problems:#?}");
    let Config {
        data_dir,
        receive,
        api,
        auth,
        slos,
        alerting,
        maintenance,
        enrich,
        emit,
        limits,
        log,
    } = config;
    assert_eq!(data_dir.to_str(), Some("/var/lib/fogbell"));
    let listeners = [receive.grpc_listen, receive.http_listen, api.listen];
    assert_eq!(
        listeners.map(|address| address.to_string()),
        ["0.0.0.0:4317", "[::1]:14318", "127.0.0.1:8421"]
    );
    assert_eq!((receive.request_bytes_max, receive.ack), (4 << 20, Ack::Durable));
    assert_eq!(receive.kafka.brokers, ["k1:9092"]);
    assert_eq!(receive.kafka.topics.logs, "l");
    assert_eq!(auth.tenants[0].role, Role::Responder);
    assert_eq!((slos.files.len(), slos.automatic), (2, false));
    assert_eq!(slos.automatic_defaults.availability, objective("0.99"));
    assert_eq!(slos.automatic_defaults.window, Duration::from_secs(7 * 86_400));
    let rule = BurnRateRule {
        burn_rate: Fraction::new(2, 1),
        long: Duration::from_secs(3600),
        short: Duration::from_secs(3600),
        urgency: Urgency::Ticket,
    };
    assert_eq!((alerting.rules, alerting.bad_events_min), (vec![rule], 1));
    assert_eq!(alerting.service_labels, ["team"]);
    assert_eq!(alerting.resolve_after, Duration::from_secs(60));
    assert_eq!(maintenance[0].occasion.duration, Duration::from_secs(1800));
    assert_eq!(enrich.redact, ["x+"]);
    assert_eq!((emit.kafka.format, emit.kafka.create_topics), (EmitFormat::Json, None));
    assert_eq!(emit.kafka.properties["sasl.password"].expose(), "hunter2");
    assert_eq!(emit.grpc[0].urgencies, [Urgency::Ticket]);
    assert_eq!((limits.memory_bytes, limits.tag_values_per_key), (1 << 30, 4));
    assert_eq!(limits.work_ahead, Duration::from_millis(250));
    assert_eq!((log.level, log.format), (LogLevel::Debug, LogFormat::Json));
}

#[test]
fn secrets_are_never_printed() {
    let (config, _) = load("emit: { kafka: { properties: { sasl.password: hunter2 } } }\n", &[]);
    let printed = format!("{config:?}");
    assert!(printed.contains("\"sasl.password\": ***"), "{printed}");
    assert!(!printed.contains("hunter2"));
}

#[test]
fn all_errors_come_at_once() {
    let text = "\
recieve: {}
receive:
  ack: durabel
  otlp: { grpc: { listen: 4317 } }
  kafka: { brokers: [kafka], topics: { traces: 'a b' } }
slos: { automatic_defaults: { availability: 1, latency: 2h } }
alerting:
  rules:
    - { burn_rate: 0, long: 1h, short: 5m, urgency: pager }
    - { burn_rate: 1, long: 5m, short: 1h, urgency: page }
    - { burn_rate: 1, long: 7s, short: 5s, urgency: page }
enrich: { trace_url: http://t, redact: ['('] }
emit:
  kafka: { properties: { acks: 1 } }
  grpc: [{ name: a, endpoint: 'tcp://x', urgencies: [] }]
auth: { tls: { cert: a.pem } }
limits: { memory_bytes: 1MiB, series: 0 }
";
    let (_, problems) = load(text, &[]);
    assert_eq!(
        problems,
        [
            "fogbell.yaml:1:1: recieve: unknown key; did you mean receive?",
            "fogbell.yaml:3:8: receive.ack: \"durabel\" is not one of accepted, durable; write one of these",
            "fogbell.yaml:4:27: receive.otlp.grpc.listen: \"4317\" is no address to listen on; write an IP address and a port, such as 127.0.0.1:4317 or [::]:4317",
            "fogbell.yaml:5:22: receive.kafka.brokers[0]: \"kafka\" is no broker; write host:port, such as kafka-1:9092",
            "fogbell.yaml:5:48: receive.kafka.topics.traces: \"a b\" is no name of a topic; write letters, digits, dots, dashes and underscores, at most 249",
            "fogbell.yaml:6:45: slos.automatic_defaults.availability: \"1\" is no share of at least 0 and below 1; write it like 0.999, with at most nine decimal places",
            "fogbell.yaml:6:57: slos.automatic_defaults.latency: 2h is out of range; write one from 1ms to 1h",
            "fogbell.yaml:9:20: alerting.rules[0].burn_rate: \"0\" is no burn rate; write one above 0, such as 14.4",
            "fogbell.yaml:9:53: alerting.rules[0].urgency: \"pager\" is not one of page, ticket; write one of these",
            "fogbell.yaml:10:7: alerting.rules[1]: short is longer than long; exchange the two",
            "fogbell.yaml:11:29: alerting.rules[2].long: 7s is no multiple of 5s; write one, such as 5m",
            "fogbell.yaml:12:22: enrich.trace_url: does not hold {trace_id}; write where the trace's id belongs",
            "fogbell.yaml:12:41: enrich.redact[0]: the regular expression is wrong: unclosed group",
            "fogbell.yaml:14:32: emit.kafka.properties.acks: is set by fogbell itself; remove it; brokers have a key of their own, the rest keeps pages safe",
            "fogbell.yaml:15:31: emit.grpc[0].endpoint: \"tcp://x\" is no endpoint; write http://host:port or https://host:port",
            "fogbell.yaml:15:53: emit.grpc[0].urgencies: is empty, so nothing would be sent; write page, ticket or both",
            "fogbell.yaml:16:22: auth.tls.cert: TLS is not supported yet; remove it, and end TLS in a proxy before fogbell",
            "fogbell.yaml:17:25: limits.memory_bytes: 1048576 bytes are too few to run in; write at least 64MiB",
            "fogbell.yaml:17:39: limits.series: \"0\" is out of range; write one from 1 to 1000000000",
        ]
    );
}

#[test]
fn off_loopback_needs_credentials_or_a_plain_word() {
    let open = "api: { listen: \"0.0.0.0:8420\" }\n";
    let (_, problems) = load(open, &[]);
    assert_eq!(
        problems,
        [
            "fogbell.yaml:1:16: api.listen: 0.0.0.0:8420 is not loopback, and there are no credentials; add auth.tenants, listen on 127.0.0.1, or set auth.insecure: true"
        ]
    );
    let tenant = "auth: { tenants: [{ name: a, token_file: f, role: admin }] }\n";
    for auth in [tenant, "auth: { insecure: true }\n"] {
        assert_eq!(load(&format!("{open}{auth}"), &[]).1, [""; 0]);
    }
    let (_, problems) = load("", &[("FOGBELL_RECEIVE_OTLP_GRPC_LISTEN", "[::]:4317")]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with(
        "FOGBELL_RECEIVE_OTLP_GRPC_LISTEN: receive.otlp.grpc.listen: [::]:4317 is not loopback"
    ));
}

#[test]
fn two_listeners_and_two_sinks_are_told_apart() {
    let (_, problems) = load("api: { listen: \"127.0.0.1:4318\" }\n", &[]);
    assert_eq!(
        problems,
        [
            "fogbell.yaml:1:16: api.listen: 127.0.0.1:4318 is the address of receive.otlp.http.listen too; give each its own port"
        ]
    );
    let any =
        "receive: { otlp: { grpc: { listen: '127.0.0.1:0' } } }\napi: { listen: '127.0.0.1:0' }\n";
    assert_eq!(load(any, &[]).1, [""; 0]);
    for names in [
        "[{ name: a, endpoint: 'http://x' }, { name: a, endpoint: 'http://y' }]",
        "[{ name: kafka, endpoint: 'http://x' }]",
    ] {
        let (_, problems) = load(&format!("emit: {{ grpc: {names} }}\n"), &[]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("emit.grpc: two sinks are named"), "{problems:?}");
    }
}

#[test]
fn variables_win_over_the_file() {
    let text = "receive: { ack: accepted }\nemit: { kafka: { brokers: ['a:1'], create_topics: { partitions: 3 } } }\n";
    let (config, problems) = load(
        text,
        &[
            ("FOGBELL_RECEIVE_ACK", "durable"),
            ("FOGBELL_EMIT_KAFKA_BROKERS", "k1:9092, k2:9092,"),
            ("FOGBELL_SLOS_FILES", "[\"a,b.yaml\"]"),
            ("FOGBELL_EMIT_KAFKA_PROPERTIES", "{ security.protocol: ssl }"),
            ("FOGBELL_EMIT_KAFKA_CREATE_TOPICS_REPLICATION", "3"),
            ("FOGBELL_EMIT_GRPC", "[{ name: a, endpoint: 'http://x:1' }]"),
            ("FOGBELL_ENRICH_TRACE_URL", "http://t/{trace_id}"),
            ("FOGBELL_SLOS_AUTOMATIC_DEFAULTS_LATENCY_RATIO", "0.95"),
            ("FOGBELL_CONFIG", "/etc/fogbell.yaml"),
            ("FOGBELL_PORT_8420_TCP_ADDR", "10.0.0.1"),
            ("FOGBELL_API_SERVICE_HOST", "10.0.0.1"),
            ("PATH", "/bin"),
        ],
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(config.receive.ack, Ack::Durable);
    assert_eq!(config.emit.kafka.brokers, ["k1:9092", "k2:9092"]);
    assert_eq!(config.slos.files, ["a,b.yaml"]);
    assert_eq!(config.emit.kafka.properties.len(), 1);
    assert_eq!(
        config.emit.kafka.create_topics,
        Some(CreateTopics { partitions: 3, replication: 3 })
    );
    assert_eq!(config.emit.grpc[0].urgencies, [Urgency::Page, Urgency::Ticket]);
    assert_eq!(config.enrich.trace_url.as_deref(), Some("http://t/{trace_id}"));
    assert_eq!(config.slos.automatic_defaults.latency_ratio, objective("0.95"));

    let (config, problems) = load("", &[("FOGBELL_EMIT_KAFKA_CREATE_TOPICS", "null")]);
    assert_eq!((config.emit.kafka.create_topics, problems), (None, Vec::new()));
}

#[test]
fn wrong_variables_are_named() {
    let (_, problems) = load(
        "",
        &[
            ("FOGBELL_RECEIVE_ACK", "durabel"),
            ("FOGBELL_EMIT_KAFKA_BROKER", "a:1"),
            ("FOGBELL_AUTH_TENANTS", "[{ name: a, token_file: f, role: root }]"),
            ("FOGBELL_EMIT_KAFKA_TOPICS", "{ pages: ["),
        ],
    );
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert_eq!(
        problems[0],
        "FOGBELL_AUTH_TENANTS:1:34: auth.tenants[0].role: \"root\" is not one of ingest, viewer, responder, admin; write one of these"
    );
    assert_eq!(
        problems[1],
        "FOGBELL_EMIT_KAFKA_BROKER: unknown variable; did you mean FOGBELL_EMIT_KAFKA_BROKERS?"
    );
    assert!(problems[2].starts_with("FOGBELL_EMIT_KAFKA_TOPICS:2:1: not YAML"), "{problems:?}");
    assert_eq!(
        problems[3],
        "FOGBELL_RECEIVE_ACK: receive.ack: \"durabel\" is not one of accepted, durable; write one of these"
    );
}

#[test]
fn rows_that_can_never_fire_are_told() {
    let text = "slos: { automatic_defaults: { availability: 0.9, latency_ratio: 0 } }\n";
    let (_, problems) = load(text, &[]);
    assert_eq!(
        problems,
        [
            "fogbell.yaml:1:45: warning: slos.automatic_defaults.availability: at a target of 0.9 the rows of 14.4x can never fire; raise the target, or lower the rate",
            "fogbell.yaml:1:65: slos.automatic_defaults.latency_ratio: no row of alerting.rules can fire for it; raise it, or add a row with a lower rate",
        ]
    );
    let (config, problems) = load("alerting: { rules: [] }\n", &[]);
    assert!(config.alerting.rules.is_empty());
    assert_eq!(
        problems,
        [
            "fogbell.yaml:1:20: warning: alerting.rules: no rule: SLOs without policies of their own never alert; add a rule"
        ]
    );
}

const SLO: &str = r#"apiVersion: openslo/v1
kind: SLO
metadata: { name: NAME }
spec:
  service: checkout
  indicator:
    spec:
      ratioMetric:
        bad: { metricSource: { type: otlp, spec: { signal: traces, filter: '{ status = error }' } } }
        total: { metricSource: { type: otlp, spec: { signal: traces, filter: '{ kind = server }' } } }
  timeWindow: [{ duration: 30d, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ target: TARGET }]
"#;

fn slo_text(name: &str, target: &str) -> String {
    SLO.replace("NAME", name).replace("TARGET", target)
}

#[test]
fn files_are_read_from_the_folder_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a[b]");
    fs::create_dir_all(root.join("slos/deep")).unwrap();
    fs::create_dir_all(root.join("slos/.hidden")).unwrap();
    fs::write(root.join("shop.token"), "0123456789abcdef\n").unwrap();
    fs::write(root.join("slos/one.yaml"), slo_text("one", "0.999")).unwrap();
    fs::write(root.join("slos/deep/two.yaml"), slo_text("two", "0.9")).unwrap();
    fs::write(root.join("slos/.hidden/three.yaml"), slo_text("three", "0.999")).unwrap();
    fs::write(root.join("slos/notes.txt"), "none").unwrap();
    let path = root.join("fogbell.yaml");
    fs::write(&path, "auth: { tenants: [{ name: shop, token_file: shop.token, role: ingest }] }\n")
        .unwrap();
    let loaded = from_path(Some(&path), &mut std::iter::empty());
    let names: Vec<&str> = loaded.slos.iter().map(|slo| slo.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(loaded.slo_files.len(), 2);
    assert_eq!(loaded.credentials.len(), 1);
    assert_eq!(loaded.credentials[0].token.expose(), "0123456789abcdef");
    assert_eq!(loaded.config.auth.tenants[0].token_file, root.join("shop.token"));
    let [problem] = loaded.problems.as_slice() else { panic!("{:?}", loaded.problems) };
    assert_eq!(problem.level, Level::Warning);
    assert!(problem.to_string().ends_with(
        "two.yaml:1:1: warning: two: at a target of 0.9 the rows of 14.4x can never fire; raise the target, or add alertPolicies"
    ));
}

#[test]
fn files_that_are_wrong_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("short.token"), "abc").unwrap();
    fs::write(root.join("a.token"), "0123456789abcdef").unwrap();
    fs::write(root.join("b.token"), " 0123456789abcdef \n").unwrap();
    fs::write(root.join("latin.yaml"), b"a: \xff").unwrap();
    fs::write(root.join("zero.yaml"), slo_text("zero", "0")).unwrap();
    let path = root.join("fogbell.yaml");
    let text = "\
slos: { files: [latin.yaml, zero.yaml, none.yaml, 'a***'] }
auth:
  tenants:
    - { name: a, token_file: a.token, role: ingest }
    - { name: b, token_file: b.token, role: ingest }
    - { name: c, token_file: short.token, role: ingest }
    - { name: d, token_file: gone.token, role: ingest }
";
    fs::write(&path, text).unwrap();
    let loaded = from_path(Some(&path), &mut std::iter::empty());
    let prefix = format!("{}/", root.display());
    let printed: Vec<String> =
        loaded.problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect();
    let mend = "write a token of at least 16 random characters into the file";
    assert_eq!(
        printed,
        [
            "fogbell.yaml:1:16: warning: slos.files: no file matches \"none.yaml\"; patterns start at this file's folder".to_owned(),
            "fogbell.yaml:1:16: slos.files: \"a***\" is no pattern: wildcards are either regular `*` or recursive `**`; write it like slos/**/*.yaml".to_owned(),
            "fogbell.yaml:4:5: auth.tenants: b.token holds the same token as another entry; give each its own token".to_owned(),
            format!("fogbell.yaml:4:5: auth.tenants: short.token holds a token of fewer than 16 bytes; {mend}"),
            format!("fogbell.yaml:4:5: auth.tenants: gone.token cannot be read: No such file or directory (os error 2); {mend}"),
            "latin.yaml: cannot be read: it is not UTF-8".to_owned(),
            "zero.yaml:1:1: no row of alerting.rules can fire for zero; add alertPolicies, or raise the target".to_owned(),
        ]
    );
    let loaded = from_path(Some(&root.join("absent.yaml")), &mut std::iter::empty());
    assert_eq!(loaded.problems.len(), 1);
    assert!(loaded.problems[0].to_string().contains("absent.yaml: cannot be read"));
}

#[test]
fn a_calendar_is_followed_or_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fogbell.yaml");
    fs::write(&path, "").unwrap();
    fs::create_dir(folder.path().join("slos")).unwrap();
    let loaded = |zone: &str| {
        let window = format!(
            "[{{ duration: 1M, calendar: {{ startTime: 2026-01-01 00:00:00, timeZone: {zone} }} }}]"
        );
        let text =
            slo_text("one", "0.999").replace("[{ duration: 30d, isRolling: true }]", &window);
        fs::write(folder.path().join("slos/one.yaml"), text).unwrap();
        from_path(Some(&path), &mut std::iter::empty())
    };
    let right = loaded("America/New_York");
    assert_eq!(right.problems, []);
    assert!(calendar_of(right.slos[0].calendar.as_ref().unwrap()).is_ok());
    let wrong = loaded("America/NewYork");
    let [problem] = wrong.problems.as_slice() else { panic!("{:?}", wrong.problems) };
    let problem = problem.to_string();
    assert!(problem.contains("slos/one.yaml:11:15"), "{problem}");
    let what =
        "spec.timeWindow: there is no time zone \"America/NewYork\"; write a name of the IANA";
    assert!(problem.contains(what), "{problem}");
}

#[test]
fn maintenance_is_declared_with_its_stretches() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fogbell.yaml");
    let text = "maintenance:\n\
                - { name: weekly, services: [checkout], reason: database, duration: 2h,\n    \
                start: '2026-11-29 02:00:00', time_zone: Europe/Berlin,\n    \
                recurrence: 'FREQ=WEEKLY;BYDAY=SU' }\n";
    std::fs::write(&file, text).unwrap();
    let loaded = from_path(Some(&file), &mut std::iter::empty());
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let weekly = &loaded.maintenance[0];
    assert_eq!((&*weekly.name, &*weekly.author), ("weekly", "configuration"));
    let first = model::Timestamp::from_unix_s(1_795_914_000);
    assert!(weekly.stretches.iter().any(|(from, _)| *from == first), "1:00 UTC");
    std::fs::write(&file, text.replace("Berlin", "Berln").replace("name: weekly, ", "")).unwrap();
    let problems = from_path(Some(&file), &mut std::iter::empty()).problems;
    assert!(problems[0].to_string().contains("maintenance[0]"), "{}", problems[0]);
    let twice = text.replace("Berlin", "Berln").replace("maintenance:\n", "").repeat(2);
    std::fs::write(&file, format!("maintenance:\n{twice}")).unwrap();
    let told = from_path(Some(&file), &mut std::iter::empty()).problems;
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|problem| problem.contains("there is no time zone")), "{told:?}");
    assert!(told.iter().any(|problem| problem.contains("the name of another")), "{told:?}");
}

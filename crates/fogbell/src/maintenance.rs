//! `fogbell maintenance`: time that counts toward no budget.

use std::process::ExitCode;

use hyper::Method;
use model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{MaintenanceAddArgs, MaintenanceArgs, MaintenanceVerb};
use crate::exit::{Outcome, say};
use crate::explain::moment;
use crate::incidents::client::{encoded, http_call, http_get};
use crate::paint::Paint;

const PATH: &str = "/api/v1/maintenance";

#[derive(Debug, Deserialize)]
struct Answer {
    maintenance: Vec<Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    name: String,
    services: Vec<String>,
    slos: Vec<String>,
    reason: String,
    author: String,
    recurrence: String,
    next: Option<Stretch>,
    last: Option<Stretch>,
    #[serde(default)]
    active: bool,
}

#[derive(Debug, Deserialize)]
struct Stretch {
    from: String,
    until: String,
}

/// Runs the subcommand.
pub(crate) fn run(args: &MaintenanceArgs) -> Outcome {
    let api = &args.api;
    match args.verb.as_ref().unwrap_or(&MaintenanceVerb::List) {
        MaintenanceVerb::List => {
            let body = http_get(api, PATH)?;
            if args.json {
                say(&body);
                return Ok(ExitCode::SUCCESS);
            }
            let answer: Answer = serde_json::from_str(&body)?;
            if answer.maintenance.is_empty() {
                say("No maintenance is known: `fogbell maintenance add` announces or tells of it.");
            }
            answer.maintenance.iter().for_each(|told| say(&told.line(Paint::for_stdout())));
        }
        MaintenanceVerb::Add(add) => {
            let body =
                http_call(api, Method::POST, PATH, &posted(add, ::runtime::now())?.to_string())?;
            if args.json {
                say(&body);
            } else {
                say(&serde_json::from_str::<Told>(&body)?.line(Paint::for_stdout()));
            }
        }
        MaintenanceVerb::Remove { name } => {
            let _ = http_call(api, Method::DELETE, &format!("{PATH}/{}", encoded(name)), "")?;
            say(&format!("{name} is taken back"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the API takes.
fn posted(add: &MaintenanceAddArgs, now: Timestamp) -> anyhow::Result<Value> {
    let lasts = add.duration.as_deref().map(|text| {
        document::duration(text)
            .map_err(|_| anyhow::anyhow!("--for {text:?} is no duration such as 2h"))
    });
    let lasts = lasts.transpose()?;
    let mut body = json!({
        "name": add.name,
        "services": add.services,
        "slos": add.slos,
        "reason": add.reason,
        "author": std::env::var("USER").unwrap_or_default(),
    });
    if let Some(start) = &add.start {
        body["start"] = start.as_str().into();
        body["durationSeconds"] = lasts.unwrap_or_default().as_secs().into();
        body["timeZone"] = add.time_zone.as_str().into();
        body["recurrence"] = add.rrule.as_str().into();
        return Ok(body);
    }
    let at = |option, text: &Option<String>| match text {
        Some(text) => moment(option, text, now).map(Some),
        None => Ok(None),
    };
    let from = at("--from", &add.from)?.unwrap_or(now);
    let until = at("--until", &add.until)?.unwrap_or_else(|| from.after(lasts.unwrap_or_default()));
    body["from"] = from.to_string().into();
    body["until"] = until.to_string().into();
    Ok(body)
}

impl Told {
    fn line(&self, paint: Paint) -> String {
        let what = |names: &[String], all: &str| match names {
            [] => all.to_owned(),
            names => names.join(", "),
        };
        let when = match (&self.next, &self.last) {
            (Some(Stretch { from, until }), _) if self.active => {
                paint.yellow(&format!("lasts since {from}, until {until}"))
            }
            (Some(Stretch { from, until }), _) => format!("{from} to {until}"),
            (None, Some(last)) => paint.dim(&format!("over since {}", last.until)),
            (None, None) => String::new(),
        };
        let mut line = format!(
            "{}: {when}; {}, {}",
            paint.bold(&self.name),
            what(&self.services, "all services"),
            what(&self.slos, "all SLOs"),
        );
        let author = format!("by {}", self.author);
        let said = [&self.recurrence, &self.reason, &author];
        for text in said.into_iter().filter(|text| !text.is_empty() && *text != "by ") {
            line.push_str("; ");
            line.push_str(text);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Verb};

    const NOW: Timestamp = Timestamp::from_unix_s(1_795_766_400);

    fn body(words: &[&str]) -> anyhow::Result<Value> {
        let all = ["fogbell", "maintenance", "add", "db"].into_iter().chain(words.iter().copied());
        let cli = Cli::try_parse_from(all)?;
        let Verb::Maintenance(MaintenanceArgs { verb: Some(MaintenanceVerb::Add(add)), .. }) =
            cli.verb
        else {
            panic!("another verb")
        };
        posted(&add, NOW)
    }

    #[test]
    fn once_is_from_now_or_then_and_by_the_clock_is_as_it_is_said() {
        let once = body(&["--for", "2h", "--service", "cart"]).unwrap();
        let ago = |minutes: u64| NOW.before(Duration::from_secs(60 * minutes)).to_string();
        let until = NOW.after(Duration::from_secs(7200)).to_string();
        assert_eq!(once["until"], until);
        assert_eq!(once["services"], json!(["cart"]));
        let ended = body(&["--from", "2h", "--until", "30m"]).unwrap();
        assert_eq!((&ended["from"], &ended["until"]), (&json!(ago(120)), &json!(ago(30))));
        let weekly = ["--start", "2026-11-29 02:00:00", "--for", "1h", "--rrule", "FREQ=WEEKLY"];
        let weekly = body(&weekly).unwrap();
        assert_eq!((&weekly["durationSeconds"], &weekly["from"]), (&json!(3600), &Value::Null));
        assert!(body(&[]).is_err(), "nobody knows how long");
        assert!(body(&["--for", "2h", "--rrule", "FREQ=DAILY"]).is_err(), "since when?");
        assert!(body(&["--for", "soon"]).is_err());
    }

    #[test]
    fn a_line_tells_when_and_what() {
        let told = r#"{"name": "db", "services": ["cart"], "slos": [], "reason": "upgrade",
            "author": "ada", "recurrence": "", "stretches": 1, "active": true, "declared": false,
            "next": {"from": "a", "until": "b"}, "last": {"from": "a", "until": "b"}}"#;
        let told: Told = serde_json::from_str(told).unwrap();
        let line = told.line(Paint::off());
        assert_eq!(line, "db: lasts since a, until b; cart, all SLOs; upgrade; by ada");
    }
}

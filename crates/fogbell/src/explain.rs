//! `fogbell explain`: what changed in a stretch of time.

use std::process::ExitCode;

use anyhow::bail;
use contract::{timestamp, timestamp_of_rfc3339, v1};
use model::Timestamp;
use tonic::Request;

use crate::cli::ExplainArgs;
use crate::exit::{Outcome, say};
use crate::incidents::client::{CALL_TIMEOUT, connect, explain};
use crate::paint::Paint;
use crate::report;
use crate::serve::runtime;

const RUNTIME_THREADS: usize = 1;

/// Runs the subcommand.
pub(crate) fn run(args: &ExplainArgs) -> Outcome {
    let now = ::runtime::now();
    let since = moment("--since", &args.since, now)?;
    let until = args.until.as_deref().map(|text| moment("--until", text, now)).transpose()?;
    let question = v1::ExplainRequest {
        tenant: String::new(),
        since: timestamp(since),
        until: until.and_then(timestamp),
        service: args.service.clone().unwrap_or_default(),
    };
    runtime(RUNTIME_THREADS)?.block_on(async {
        let mut client = connect(&args.api).await?;
        let mut request = Request::new(question);
        request.set_timeout(CALL_TIMEOUT);
        let answer = client.explain(request).await.map_err(|status| explain(&status))?;
        let answer = answer.into_inner();
        if args.json {
            say(&contract::json(&answer));
        } else {
            say(&report::explanation(&answer, Paint::for_stdout()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// A moment in RFC 3339, or how long before now it lies.
pub(crate) fn moment(option: &str, text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Some(at) = timestamp_of_rfc3339(text) {
        return Ok(at);
    }
    match document::duration(text) {
        Ok(ago) => Ok(now.before(ago)),
        Err(_) => bail!("{option} {text:?} is no time as in RFC 3339, nor a duration such as 10m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_a_while_ago() {
        let now = Timestamp::from_unix_s(1_795_766_400);
        for (text, expected) in [
            ("2026-11-27T07:50:00Z", now.before(std::time::Duration::from_secs(600))),
            ("10m", now.before(std::time::Duration::from_secs(600))),
            ("90s", now.before(std::time::Duration::from_secs(90))),
        ] {
            assert_eq!(moment("--since", text, now).unwrap(), expected, "{text}");
        }
        let refused = moment("--until", "noon", now).unwrap_err().to_string();
        assert!(refused.starts_with("--until \"noon\" is no time"), "{refused}");
    }
}

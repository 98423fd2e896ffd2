//! The client.
use crate::cli::ApiArgs;

pub(crate) fn http_get(_: &ApiArgs, _: &str) -> anyhow::Result<String> {
    anyhow::bail!("not written yet")
}

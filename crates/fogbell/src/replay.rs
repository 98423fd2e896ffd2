//! `fogbell replay`: recorded telemetry through the same engine in virtual time, or to a running
//! daemon.

mod framing;
mod live;
mod merge;
mod parts;
mod player;
mod recording;
mod score;
mod shift;
mod tally;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use engine::EngineOptions;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::Timestamp;
use observe::ObserverOptions;
use runtime::DaemonOptions;

use self::live::Target;
use self::merge::Merge;
use self::parts::{Parts, Step};
use self::player::{Player, Style};
use self::recording::{Position, Recording};
use self::tally::Tally;
use crate::cli::ReplayArgs;
use crate::exit::{Outcome, USAGE, note, say};
use crate::incidents::client::{Credential, channel};
use crate::paint::Paint;
use crate::serve::runtime;
use crate::settings;

/// The same recording gives the same incidents, ids included.
const SEED: u64 = 1;
const EPOCH: u32 = 1;
const RUNTIME_THREADS: usize = 1;
/// Requests between two looks at the progress bar.
const BAR_INTERVAL: u64 = 64;
const FILES_MAX: usize = 256;

#[cfg(test)]
pub(crate) use score::scored;

/// Runs the subcommand.
pub(crate) fn run(args: &ReplayArgs) -> Outcome {
    if !(args.speed.is_finite() && args.speed > 0.0) {
        bail!("--speed {} is not above zero", args.speed);
    }
    if let Some(labels) = &args.score {
        return score::run(args, labels);
    }
    let console = Console::new(args)?;
    let (parts, tally) = open(args, &console.position)?;
    match &args.target {
        Some(target) => {
            runtime(RUNTIME_THREADS)?.block_on(send(args, target, parts, tally, console))
        }
        None => {
            let Ok(loaded) = settings::load(&args.config) else { return Ok(ExitCode::from(USAGE)) };
            let (observer, engine) = options(&loaded)?;
            let style = if args.json { Style::Json } else { Style::Human(Paint::for_stdout()) };
            let player = Player::new(observer, engine, style);
            play(player, parts, tally, &console, say)
        }
    }
}

/// All files, opened before anything is replayed, so that a wrong name is told at once.
fn open(args: &ReplayArgs, position: &Position) -> anyhow::Result<(Parts, Tally)> {
    if args.files.len() > FILES_MAX {
        bail!(
            "{} files are more than the {FILES_MAX} that are read side by side",
            args.files.len()
        );
    }
    let files = args.files.iter().cloned();
    let recordings = files.map(|file| Recording::open(file, args.signal, position));
    let merge = Merge::new(recordings.collect::<anyhow::Result<_>>()?);
    Ok((Parts::new(merge), Tally::new(args.files.len())))
}

/// Data plane and engine as the daemon would have them with this configuration. One observer has
/// what the daemon's workers share.
fn options(loaded: &config::Loaded) -> anyhow::Result<(ObserverOptions, EngineOptions)> {
    let options = DaemonOptions::new(loaded, SEED)?;
    let mut observer = options.workers.observer;
    observer.limits.recall_bytes = usize::try_from(loaded.config.limits.recall_bytes)?;
    Ok((observer, EngineOptions { epoch: EPOCH, ..options.engine }))
}

fn play(
    mut player: Player,
    mut parts: Parts,
    mut tally: Tally,
    console: &Console,
    say: impl Fn(&str),
) -> Outcome {
    let began = Instant::now();
    while let Some(step) = parts.next()? {
        let broken = match step {
            Step::Record(record) => {
                let taken = player.take(&record, &mut tally);
                taken.err().and_then(|why| tally.take_broken(&record.place, &why))
            }
            Step::Broken(place, why) => tally.take_broken(&place, &why),
            Step::Anew => {
                player.begin_anew();
                tally.begin_anew();
                None
            }
        };
        console.tell(broken.as_slice(), note);
        console.tell(&player.take_lines(), &say);
        console.look(tally.requests, player.now());
    }
    player.finish();
    console.tell(&player.take_lines(), &say);
    console.bar.finish_and_clear();
    if tally.requests == 0 {
        bail!("no request could be replayed; {} are broken", tally.broken);
    }
    player.summary(&tally, began.elapsed()).iter().for_each(|line| say(line));
    Ok(ExitCode::SUCCESS)
}

async fn send(
    args: &ReplayArgs,
    address: &str,
    mut parts: Parts,
    mut tally: Tally,
    console: Console,
) -> Outcome {
    let credential = Credential::new(args.token_file.as_deref(), None)?;
    let mut target = Target::new(&channel(address).await?, &credential, args.speed);
    let began = Instant::now();
    while let Some(step) = parts.next()? {
        match step {
            Step::Record(record) => {
                target.take(&record, &mut tally).await?;
                console.look(tally.requests, record.newest);
            }
            Step::Broken(place, why) => {
                console.tell(tally.take_broken(&place, &why).as_slice(), note);
            }
            Step::Anew => {
                target.begin_anew();
                tally.begin_anew();
            }
        }
    }
    console.bar.finish_and_clear();
    let wall = began.elapsed();
    if args.json {
        say(&target.json(&tally, wall));
    } else {
        target.lines(&tally, wall).iter().for_each(|line| say(line));
    }
    let sent = tally.requests > 0 && target.all_taken();
    Ok(if sent { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The progress bar, where there is a terminal to show it on, and how to print around it.
struct Console {
    bar: ProgressBar,
    position: Position,
}

impl Console {
    fn new(args: &ReplayArgs) -> anyhow::Result<Self> {
        let sizes = args.files.iter().filter_map(|file| std::fs::metadata(file).ok());
        let bytes = sizes.map(|metadata| metadata.len()).sum();
        let shown = std::io::stderr().is_terminal();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        let template = "{msg}  {bar:30}  {percent:>3} % of {total_bytes}, {eta} left";
        bar.set_style(ProgressStyle::with_template(template)?);
        Ok(Self { bar, position: Position::default() })
    }

    fn tell(&self, lines: &[String], print: impl Fn(&str)) {
        if !lines.is_empty() {
            self.bar.suspend(|| lines.iter().for_each(|line| print(line)));
        }
    }

    /// Shows where the recording is, now and then.
    fn look(&self, requests: u64, now: Option<Timestamp>) {
        if requests.is_multiple_of(BAR_INTERVAL) && !self.bar.is_hidden() {
            self.bar.set_message(now.map(|now| now.to_string()).unwrap_or_default());
            self.bar.set_position(self.position.bytes());
        }
    }

    #[cfg(test)]
    fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), position: Position::default() }
    }
}

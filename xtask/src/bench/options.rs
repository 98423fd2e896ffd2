//! The command line of `cargo xtask bench`.

/// What is measured, and how long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Beside the OpenTelemetry Collector.
    pub peers: bool,
    /// Of each case; the median counts.
    pub pairs: u32,
    /// Of each measurement.
    pub seconds: u32,
    /// Of `fogbell load --compare`; all if there are none.
    pub cases: Option<String>,
    /// Whether pages under load are measured, too: that takes five minutes.
    pub pages: bool,
}

impl Options {
    /// Reads the words after `bench`.
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { peers: false, pairs: 5, seconds: 3, cases: None, pages: true };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--peers" => options.peers = true,
                "--quick" => {
                    (options.pairs, options.seconds, options.pages) = (3, 1, false);
                }
                "--pairs" => options.pairs = count(word, value()?)?,
                "--seconds" => options.seconds = count(word, value()?)?,
                "--cases" => {
                    options.cases = Some(value()?.clone());
                    options.pages = false;
                }
                _ => return Err(format!("bench does not know {word:?}; see cargo xtask help")),
            }
        }
        Ok(options)
    }

    /// The same, as `fogbell load --compare` takes it.
    pub(super) fn for_load(&self) -> Vec<String> {
        let mut words =
            vec![format!("--pairs={}", self.pairs), format!("--seconds={}", self.seconds)];
        words.extend(self.cases.iter().map(|cases| format!("--cases={cases}")));
        words
    }
}

fn count(word: &str, value: &str) -> Result<u32, String> {
    match value.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{word} {value:?} is no count above zero")),
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn parsed(words: &str) -> Result<Options, String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn words_choose_cases_pairs_and_seconds() {
        let options = parsed("--quick --pairs 7 --cases zstd,json --peers").unwrap();
        assert_eq!((options.pairs, options.seconds, options.peers), (7, 1, true));
        assert!(!options.pages && parsed("--peers").unwrap().pages);
        assert_eq!(options.for_load(), ["--pairs=7", "--seconds=1", "--cases=zstd,json"]);
        assert_eq!(parsed("").unwrap().for_load(), ["--pairs=5", "--seconds=3"]);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for words in ["--pairs", "--pairs 0", "--seconds x", "--peer"] {
            let word = words.split(' ').next().unwrap_or_default();
            assert!(parsed(words).is_err_and(|why| why.contains(word)), "{words}");
        }
    }
}

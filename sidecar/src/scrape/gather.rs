//! Adds up the samples of a page: a replica may have several engines, each with its own series.

use std::collections::HashSet;

use weir_snapshot::limits::{MAX_ADAPTERS_PER_ENDPOINT, MAX_NAME_BYTES};

use super::metrics::{FirstTokens, Flaw, Life, Metrics, Page, Problem};
use super::model_server::{Meaning, Series};
use super::sample::Sample;

/// A share may be over 1 by this much through rounding.
const ROUNDING: f64 = 1e-3;

/// What has been read of a page so far.
#[derive(Debug, Default)]
pub(crate) struct Gathered<'a> {
    waiting: Option<f64>,
    running: Option<f64>,
    kv_cache_use: Mean,
    kv_cache_use_older: Mean,
    block_size: Option<u32>,
    blocks: Option<f64>,
    lora: Option<NewestLora<'a>>,
    first_tokens: Option<f64>,
    first_token_seconds: Option<f64>,
    queue_seconds: Option<f64>,
    /// Names and labels of the samples so far.
    seen: HashSet<(&'a str, &'a str)>,
    life: Life,
    /// A line that belongs to `life` makes no sense, so it says nothing.
    life_is_flawed: bool,
    flaw: Option<Flaw>,
}

#[derive(Debug)]
struct NewestLora<'a> {
    sample: Sample<'a>,
    series: &'a Series,
}

#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count = self.count.saturating_add(1);
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.sum / f64::from(self.count)).clamp(0.0, 1.0))
    }
}

impl<'a> Gathered<'a> {
    /// Takes one line: its series, and what follows the name.
    pub(crate) fn add(&mut self, series: &'a Series, rest: &'a str) {
        if series.meaning.is_of_life() {
            return self.add_life(series, rest);
        }
        let added = match Sample::parse(rest) {
            Some(sample) if !applies(series, &sample) => Ok(()),
            Some(sample) if !self.seen.insert((&series.name, sample.labels_text)) => {
                // Adding it up would count the same requests twice.
                Err(Problem::Duplicate)
            }
            Some(sample) => self.add_sample(series, sample),
            None => Err(Problem::Malformed),
        };
        if let Err(problem) = added {
            self.note(series, problem);
        }
    }

    fn add_sample(&mut self, series: &'a Series, mut sample: Sample<'a>) -> Result<(), Problem> {
        sample.value *= series.scale;
        match series.meaning {
            Meaning::Waiting => sum(&mut self.waiting, sample.value),
            Meaning::Running => sum(&mut self.running, sample.value),
            Meaning::KvCacheUse => share(&mut self.kv_cache_use, sample.value),
            Meaning::KvCacheUseOlder => share(&mut self.kv_cache_use_older, sample.value),
            Meaning::BlockSize => {
                let mut size = None;
                sum(&mut size, sample.value)?;
                self.block_size = self.block_size.max(size.map(whole));
                Ok(())
            }
            Meaning::Blocks => sum(&mut self.blocks, sample.value),
            Meaning::CacheConfig { block_size, blocks } => {
                if let Some(size) = info_number(&sample, block_size)? {
                    self.block_size = self.block_size.max(Some(size));
                }
                match info_number(&sample, blocks)? {
                    Some(blocks) => sum(&mut self.blocks, blocks.into()),
                    None => Ok(()),
                }
            }
            Meaning::Lora { .. } => self.add_lora(series, sample),
            Meaning::Started | Meaning::Counted => Ok(()),
            Meaning::FirstTokens => total(&mut self.first_tokens, sample.value),
            Meaning::FirstTokenSeconds => total(&mut self.first_token_seconds, sample.value),
            Meaning::QueueSeconds => total(&mut self.queue_seconds, sample.value),
        }
    }

    /// Nothing is placed by these values, so a flaw in them does not degrade the replica.
    fn add_life(&mut self, series: &Series, rest: &str) {
        let value = Sample::parse(rest).map(|sample| sample.value);
        match value.filter(|value| value.is_finite() && *value >= 0.0) {
            None => self.life_is_flawed = true,
            Some(value) if series.meaning == Meaning::Started => {
                self.life.started = Some(self.life.started.unwrap_or_default().max(value));
            }
            Some(value) => {
                self.life.counted = Some(self.life.counted.unwrap_or_default() + value);
            }
        }
    }

    fn add_lora(&mut self, series: &'a Series, sample: Sample<'a>) -> Result<(), Problem> {
        if !sample.value.is_finite() {
            return Err(Problem::OutOfRange);
        }
        if self.lora.as_ref().is_none_or(|newest| newest.sample.value < sample.value) {
            self.lora = Some(NewestLora { sample, series });
        }
        Ok(())
    }

    fn note(&mut self, series: &Series, problem: Problem) {
        if series.meaning.matters() {
            self.flaw.get_or_insert_with(|| Flaw { series: series.name.clone(), problem });
        }
    }

    fn first_tokens(&self) -> Option<FirstTokens> {
        let (count, seconds) = (self.first_tokens?, self.first_token_seconds?);
        Some(FirstTokens { count, seconds, queued_seconds: self.queue_seconds })
    }

    /// What the page says.
    pub(crate) fn finish(mut self) -> Page {
        let mut metrics = Metrics {
            waiting: self.waiting.map(whole),
            running: self.running.map(whole),
            kv_cache_use: self.kv_cache_use.value().or_else(|| self.kv_cache_use_older.value()),
            block_size: self.block_size,
            blocks: self.blocks.map(whole),
            first_tokens: self.first_tokens(),
            ..Metrics::default()
        };
        if let Some(NewestLora { sample, series }) = self.lora.take()
            && let Err(problem) = fill_lora(&mut metrics, series, &sample)
        {
            self.note(series, problem);
        }
        let life = if self.life_is_flawed { Life::default() } else { self.life };
        Page { metrics, life, flaw: self.flaw }
    }
}

fn applies(series: &Series, sample: &Sample<'_>) -> bool {
    series.labels.iter().all(|(name, value)| sample.label(name) == Some(value))
}

/// What has been counted since a server started may be any number.
fn total(sum: &mut Option<f64>, value: f64) -> Result<(), Problem> {
    if !(value.is_finite() && value >= 0.0) {
        return Err(Problem::OutOfRange);
    }
    *sum = Some(sum.unwrap_or_default() + value);
    Ok(())
}

fn sum(total: &mut Option<f64>, value: f64) -> Result<(), Problem> {
    if !(0.0..=f64::from(u32::MAX)).contains(&value) {
        return Err(Problem::OutOfRange);
    }
    *total = Some(total.unwrap_or_default() + value);
    Ok(())
}

fn share(mean: &mut Mean, value: f64) -> Result<(), Problem> {
    if !(0.0..=1.0 + ROUNDING).contains(&value) {
        return Err(Problem::OutOfRange);
    }
    mean.add(value);
    Ok(())
}

/// A float to an integer saturates, and the sum of checked values is not negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f64) -> u32 {
    value as u32
}

/// A number in a label; `None` where it is missing or, before the engine knows it, Python's `None`.
fn info_number(sample: &Sample<'_>, label: &str) -> Result<Option<u32>, Problem> {
    match sample.label(label) {
        None | Some("None" | "") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| Problem::OutOfRange),
    }
}

fn fill_lora(metrics: &mut Metrics, series: &Series, sample: &Sample<'_>) -> Result<(), Problem> {
    let Meaning::Lora { max, running, waiting } = series.meaning else { return Ok(()) };
    metrics.running_adapters = adapters(sample.label(running));
    metrics.waiting_adapters = adapters(sample.label(waiting));
    metrics.max_lora = info_number(sample, max)?;
    Ok(())
}

/// The names in a comma list, each once, as far as a snapshot takes them: what is over its limits
/// is left out, for a replica with many adapters is as good as any.
fn adapters(list: Option<&str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in list.unwrap_or_default().split(',').map(str::trim) {
        let fits = (1..=MAX_NAME_BYTES).contains(&name.len());
        if fits && names.len() < MAX_ADAPTERS_PER_ENDPOINT && !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    names
}

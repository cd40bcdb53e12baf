//! Writes the Prometheus text format.

use std::fmt::{Display, Write};

use crate::durations::Durations;

/// Content type of the text format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics under construction.
#[derive(Debug, Default)]
pub(crate) struct Exposition(String);

/// Type of a metric family.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Label names and values.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Opens a family; its samples follow.
    pub(crate) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// Adds a sample.
    pub(crate) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.write(format_args!("{}{label}=\"", if at == 0 { '{' } else { ',' }));
            self.quote(text);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.write(format_args!(" {value}\n"));
    }

    /// Adds the samples of a histogram in seconds.
    pub(crate) fn histogram(&mut self, name: &str, labels: Labels<'_>, durations: &Durations) {
        let bucket = format!("{name}_bucket");
        for (bound, count) in durations.cumulative() {
            let bound = bound.to_string();
            self.sample(&bucket, &[labels, &[("le", bound.as_str())]].concat(), count);
        }
        self.sample(&bucket, &[labels, &[("le", "+Inf")]].concat(), durations.count());
        self.sample(&format!("{name}_sum"), labels, durations.sum().as_secs_f64());
        self.sample(&format!("{name}_count"), labels, durations.count());
    }

    /// The page.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    fn quote(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(text);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn families_and_samples_are_written_in_the_text_format() {
        let mut page = Exposition::default();
        page.family("up", Kind::Gauge, "Whether it is up.");
        page.sample("up", &[], 1);
        page.sample("up", &[("a", "x"), ("b", "q\"\\\n")], 0.5);
        let expected = "# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n\
                        up{a=\"x\",b=\"q\\\"\\\\\\n\"} 0.5\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_histogram_ends_with_the_count_of_all() {
        let mut durations = Durations::default();
        durations.add(Duration::from_millis(2));
        durations.add(Duration::from_secs(2));
        let mut page = Exposition::default();
        page.histogram("t", &[("pool", "p")], &durations);
        let text = page.into_text();
        for line in [
            "t_bucket{pool=\"p\",le=\"0.001\"} 0",
            "t_bucket{pool=\"p\",le=\"0.002\"} 1",
            "t_bucket{pool=\"p\",le=\"+Inf\"} 2",
            "t_sum{pool=\"p\"} 2.002",
            "t_count{pool=\"p\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}

//! The rows that are printed, as one Markdown table. Never measures.

use std::fmt::Write as _;
use std::time::Duration;

/// How a measured value is compared with its target.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Only told.
    None,
    /// The value is to be this much or more.
    AtLeast(f64),
    /// The value is to be this much or less.
    AtMost(f64),
}

/// One row.
#[derive(Clone, Debug)]
pub struct Figure {
    name: String,
    measured: String,
    limit: String,
    value: f64,
    target: Target,
    unit: &'static str,
}

impl Figure {
    /// A ratio of `measured` to `limit`, both told in words.
    #[must_use]
    pub fn ratio(name: &str, measured: String, limit: String, value: f64, target: Target) -> Self {
        Self { name: name.to_owned(), measured, limit, value, target, unit: "" }
    }

    /// An absolute value in `unit`.
    #[must_use]
    pub fn absolute(name: &str, value: f64, unit: &'static str, target: Target) -> Self {
        let measured = format!("{} {unit}", number(value));
        Self { name: name.to_owned(), measured, limit: String::new(), value, target, unit }
    }

    /// A row that was not measured, and why.
    #[must_use]
    pub fn skipped(name: &str, why: &str) -> Self {
        let measured = format!("not measured: {why}");
        Self { name: name.to_owned(), measured, limit: String::new(), value: 0.0, target: Target::None, unit: "-" }
    }

    /// Words beside the measured value.
    #[must_use]
    pub fn with(mut self, words: &str) -> Self {
        let _ = write!(self.measured, " ({words})");
        self
    }

    fn met(&self) -> &'static str {
        match self.target {
            Target::None => "",
            Target::AtLeast(least) if self.value >= least => "yes",
            Target::AtMost(most) if self.value <= most => "yes",
            Target::AtLeast(_) | Target::AtMost(_) => "**no**",
        }
    }

    /// The row.
    #[must_use]
    pub fn line(&self) -> String {
        let ratio = if self.unit.is_empty() { format!("{:.3}", self.value) } else { String::new() };
        let target = match self.target {
            Target::None => String::new(),
            Target::AtLeast(least) => format!(">= {} {}", number(least), self.unit),
            Target::AtMost(most) => format!("<= {} {}", number(most), self.unit),
        };
        let cells = [&self.name, &self.measured, &self.limit, &ratio, target.trim_end(), self.met()];
        format!("| {} |", cells.join(" | "))
    }
}

/// The table.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let head = "| figure | measured | limit | ratio | target | met |\n|---|---|---|---|---|---|".to_owned();
    figures.iter().map(Figure::line).fold(head, |text, line| format!("{text}\n{line}"))
}

/// Three significant digits or so, thousands separated.
#[must_use]
pub fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    if value.abs() < 1000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// Microseconds.
#[must_use]
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_its_target_meets_it_and_one_beyond_does_not() {
        for (value, target, met) in [
            (0.9, Target::AtLeast(0.9), "yes"),
            (0.89, Target::AtLeast(0.9), "**no**"),
            (1.1, Target::AtMost(1.1), "yes"),
            (1.11, Target::AtMost(1.1), "**no**"),
            (1.0, Target::None, ""),
        ] {
            let figure = Figure::ratio("a", String::new(), String::new(), value, target);
            assert_eq!(figure.met(), met, "{value} {target:?}");
        }
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!(number(0.8912), "0.891");
        assert_eq!(number(2.0), "2");
        assert_eq!(number(83.26), "83.3");
        assert_eq!(number(1_234_567.4), "1,234,567");
    }
}

//! Medians, quantiles, and the Kolmogorov-Smirnov distance. Pure.

/// The value that a share `at` (0 to 1) of the samples does not exceed; 0 for none.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the number of samples")]
#[expect(clippy::cast_precision_loss, reason = "no run has 2^52 samples")]
pub fn quantile(samples: &[f64], at: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (at * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}

/// The middle one.
#[must_use]
pub fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// The largest distance between the two samples' distribution functions: 0 for alike, 1 for apart.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no run has 2^52 samples")]
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> f64 {
    let sorted = |samples: &[f64]| {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (a, b) = (sorted(a), sorted(b));
    let share = |of: &[f64], x: f64| of.partition_point(|value| *value <= x) as f64 / of.len() as f64;
    a.iter().chain(&b).map(|&x| (share(&a, x) - share(&b, x)).abs()).fold(0.0, f64::max)
}

/// Above this distance two samples differ at the 5 % level.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no run has 2^52 samples")]
pub fn kolmogorov_smirnov_limit(a: usize, b: usize) -> f64 {
    1.358 * (1.0 / a as f64 + 1.0 / b as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_samples() {
        let samples: Vec<f64> = (1..=101).rev().map(f64::from).collect();
        assert!((median(&samples) - 51.0).abs() < 1e-9);
        assert!((quantile(&samples, 0.99) - 100.0).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }

    #[test]
    fn samples_that_are_apart_have_distance_one_and_equal_ones_none() {
        let (low, high) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
        assert!((kolmogorov_smirnov(&low, &high) - 1.0).abs() < 1e-9);
        assert!(kolmogorov_smirnov(&low, &low).abs() < 1e-9);
        assert!((kolmogorov_smirnov(&[1.0, 2.0], &[2.0, 3.0]) - 0.5).abs() < 1e-9);
    }
}

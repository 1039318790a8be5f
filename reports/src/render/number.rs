//! Figures as people write them: grouped digits, three significant ones for times, units always.

/// `1234567` as `1,234,567`.
#[must_use]
pub fn count(count: u64) -> String {
    group(&count.to_string())
}

/// `1 answer`, `1,000 answers`.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", self::count(count))
}

/// `once`, `2 times`.
#[must_use]
pub fn times(count: u64) -> String {
    if count == 1 {
        "once".to_owned()
    } else {
        format!("{} times", self::count(count))
    }
}

/// Nanoseconds in the unit that leaves one to three digits before the point: `1.23 ms`.
#[must_use]
pub fn duration(ns: u64) -> String {
    // The limits sit half a last digit below the next unit, so that rounding never shows `1000 µs`.
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..999_500 => format!("{} µs", significant(value / 1e3)),
        999_500..999_500_000 => format!("{} ms", significant(value / 1e6)),
        999_500_000..600_000_000_000 => format!("{} s", significant(value / 1e9)),
        _ => format!("{} min {} s", ns / 60_000_000_000, ns / 1_000_000_000 % 60),
    }
}

/// An instant of a run in seconds, to the microsecond: `12.801300 s`.
#[must_use]
pub fn instant(ns: u64) -> String {
    format!("{}.{:06} s", ns / 1_000_000_000, ns / 1_000 % 1_000_000)
}

/// A mean of nanoseconds, as [`duration`] writes it.
#[must_use]
pub fn mean(ns: f64) -> String {
    match ns {
        ns if ns < 999.5 => format!("{ns:.0} ns"),
        ns if ns < 999.5e3 => format!("{} µs", significant(ns / 1e3)),
        ns if ns < 999.5e6 => format!("{} ms", significant(ns / 1e6)),
        ns => format!("{} s", significant(ns / 1e9)),
    }
}

/// A percentile, or a dash where too few samples lie beyond it.
#[must_use]
pub fn quantile(ns: Option<u64>) -> String {
    ns.map_or_else(|| "–".to_owned(), duration)
}

/// `1,998/s`; slow ones with their decimals.
#[must_use]
pub fn rate(per_second: f64) -> String {
    format!("{}/s", number(per_second))
}

/// A real number: grouped digits from 100 on, three significant ones below.
#[must_use]
pub fn number(value: f64) -> String {
    if value.abs() < 99.95 {
        significant(value)
    } else {
        group(&format!("{value:.0}"))
    }
}

/// `1.50 GiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 999.5 {
            let digits = if unit == "B" {
                bytes.to_string()
            } else {
                significant(value)
            };
            return format!("{digits} {unit}");
        }
        value /= 1024.0;
    }
    format!("{} TiB", number(value))
}

/// `part` of `whole` as `99.9 %`.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    format!("{} %", significant(100.0 * part as f64 / whole as f64))
}

fn significant(value: f64) -> String {
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn group(digits: &str) -> String {
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits), |rest| ("-", rest));
    let mut grouped = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        for (shown, expected) in [
            (count(0), "0"),
            (count(999), "999"),
            (count(1_234_567), "1,234,567"),
            (counted(1, "answer"), "1 answer"),
            (counted(1_000, "answer"), "1,000 answers"),
            (times(1), "once"),
            (duration(0), "0 ns"),
            (duration(999), "999 ns"),
            (duration(1_234), "1.23 µs"),
            (duration(999_499), "999 µs"),
            (duration(999_500), "1.00 ms"),
            (duration(12_345_678), "12.3 ms"),
            (duration(32_000_000_000), "32.0 s"),
            (duration(723_000_000_000), "12 min 3 s"),
            (quantile(None), "–"),
            (rate(1_998.4), "1,998/s"),
            (rate(3.217), "3.22/s"),
            (number(-1_234_567.0), "-1,234,567"),
            (instant(12_801_300_000), "12.801300 s"),
            (mean(0.4), "0 ns"),
            (mean(1_234_567.8), "1.23 ms"),
            (bytes(512), "512 B"),
            (bytes(1_610_612_736), "1.50 GiB"),
            (share(1, 3), "33.3 %"),
            (share(1, 0), "–"),
        ] {
            assert_eq!(shown, expected);
        }
    }
}

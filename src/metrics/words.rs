//! Formats numbers for people. The page's script formats them in the same way: see `page/numbers.js`.

use std::fmt::{self, Display};

/// With thousands separators.
pub(super) struct Count(pub(super) u64);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        digits.chars().enumerate().try_for_each(|(place, digit)| {
            let is_start_of_three = place > 0 && (digits.len() - place).is_multiple_of(3);
            write!(f, "{}{digit}", if is_start_of_three { "," } else { "" })
        })
    }
}

/// In KB or MB (powers of 1024), rounded down.
pub(super) struct Bytes(pub(super) u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = if self.0 < 1 << 20 { ("KB", 1 << 10) } else { ("MB", 1 << 20) };
        let tenths = self.0.saturating_mul(10) / size;
        if tenths < 100 {
            write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
        } else {
            write!(f, "{} {unit}", Count(tenths / 10))
        }
    }
}

/// A part of a whole.
pub(super) struct Percent(pub(super) u64, pub(super) u64);

impl Percent {
    /// The number without the percent sign.
    pub(super) fn number(&self) -> String {
        let tenths = self.0.saturating_mul(1000).checked_div(self.1).unwrap_or(0);
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

impl Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(Count(number).to_string(), text);
        }
        let sizes = [
            (0, "0.0 KB"),
            (1_587, "1.5 KB"),
            (10_239, "9.9 KB"),
            (10_240, "10 KB"),
            (1_048_575, "1,023 KB"),
            (1_048_576, "1.0 MB"),
            (5 << 30, "5,120 MB"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        for (part, whole, text) in
            [(0, 0, "0.0 %"), (1, 3, "33.3 %"), (999_999, 1_000_000, "99.9 %"), (7, 7, "100.0 %")]
        {
            assert_eq!(Percent(part, whole).to_string(), text);
        }
    }
}

//! Amounts of bytes as people write them: `64K`, `500M`, `2G`.

use crate::text::plural;

const UNITS: [(&str, u64); 5] = [("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];

/// Reads an amount of bytes: a whole number, or one with `K`, `M`, `G` or `T` (powers of 1024; `KiB` and `KB` mean `K`).
///
/// # Errors
/// A sentence that says what is wrong, and one that says how to write it.
pub(super) fn parse_size(text: &str) -> Result<u64, (String, &'static str)> {
    const HINT: &str = "write it as `4096`, `64K`, `500M` or `2G`";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text[digits..].trim_start();
    let unit = unit.strip_suffix("iB").or_else(|| unit.strip_suffix('B')).unwrap_or(unit);
    let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor);
    let amount = text[..digits].parse::<u64>().ok();
    match (amount, factor) {
        (Some(amount), Some(factor)) => {
            amount.checked_mul(factor).ok_or_else(|| (format!("`{text}` is too large"), HINT))
        }
        _ => Err((format!("`{text}` is not an amount of bytes"), HINT)),
    }
}

/// Writes an amount of bytes: `64 KiB`, `1 byte`.
pub(super) fn format_size(bytes: u64) -> String {
    let unit = UNITS
        .iter()
        .rev()
        .find(|(name, size)| !name.is_empty() && bytes >= *size && bytes.is_multiple_of(*size));
    match unit {
        Some((name, size)) => format!("{} {name}iB", bytes / size),
        None => plural(usize::try_from(bytes).unwrap_or(usize::MAX), "byte"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64K", 65_536),
            ("1k", 1024),
            ("500 MiB", 500 << 20),
            ("2GB", 2 << 30),
            ("7B", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "K", "-1", "1.5M", "1X", "99999999999999999999", "9999999999T", "64 K x"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(format_size(65_536), "64 KiB");
        assert_eq!(format_size(1), "1 byte");
        assert_eq!(format_size(1500), "1500 bytes");
    }
}

//! Durations: seconds in the cell, `h:mm:ss.SSS` in text.

use crate::airtable::model::DurationFormat;

/// `h:mm`, `h:mm:ss`, `h:mm:ss.S` … of the metadata.
pub(crate) fn parse_format(text: &str) -> Option<DurationFormat> {
    let fraction_digits = match text {
        "h:mm" => return Some(DurationFormat { seconds: false, fraction_digits: 0 }),
        "h:mm:ss" => 0,
        "h:mm:ss.S" => 1,
        "h:mm:ss.SS" => 2,
        "h:mm:ss.SSS" => 3,
        _ => return None,
    };
    Some(DurationFormat { seconds: true, fraction_digits })
}

/// `1:30` is an hour and a half, `0:00:07.5` seven and a half seconds; `None` if it is nothing of the kind.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let parts: Vec<f64> = text
        .split(':')
        .map(|part| {
            let digits = part.starts_with(|c: char| c.is_ascii_digit());
            if digits { part.parse().ok().filter(|number: &f64| number.is_finite()) } else { None }
        })
        .collect::<Option<_>>()?;
    let seconds = match parts.as_slice() {
        [hours, minutes] => hours * 3600.0 + minutes * 60.0,
        [hours, minutes, seconds] => hours * 3600.0 + minutes * 60.0 + seconds,
        _ => return None,
    };
    Some(sign * seconds)
}

pub(crate) fn display(format: DurationFormat, seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let scale = 10u64.pow(format.fraction_digits as u32);
    let units = (seconds.abs() * scale as f64).round().min(1e18) as u64;
    let (whole, fraction) = (units / scale, units % scale);
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    let mut text = format!("{sign}{hours}:{minutes:02}");
    if format.seconds {
        text.push_str(&format!(":{rest:02}"));
    }
    if format.fraction_digits > 0 {
        text.push_str(&format!(".{fraction:0width$}", width = format.fraction_digits));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_and_read_in_their_format() {
        for (format, seconds, text) in
            [("h:mm", 5400.0, "1:30"), ("h:mm:ss", 3661.0, "1:01:01"), ("h:mm:ss.SS", -7.25, "-0:00:07.25")]
        {
            assert_eq!(display(parse_format(format).unwrap(), seconds), text);
            assert_eq!(parse(text), Some(seconds));
        }
        assert_eq!(parse("1:x"), None);
        assert_eq!(parse_format("mm:ss"), None);
    }
}

//! Strings as Go writes them: Alertmanager's matchers and `PromQL` have them.

/// Resolves a text in quotes, of one kind or the other; the error is the place of what is wrong.
pub(crate) fn unquoted(raw: &str) -> Result<String, usize> {
    let quote = raw.chars().next().unwrap_or('"');
    let inner = raw.get(1..raw.len().saturating_sub(1)).ok_or(0_usize)?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        let at = raw.len() - 1 - rest.len();
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' => return Err(at),
            '\\' => rest = unescape(rest, quote, &mut bytes).ok_or(at)?,
            c => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    // Escapes such as `\xff` can make bytes that are no text.
    String::from_utf8(bytes).map_err(|_| 0)
}

fn unescape<'a>(rest: &'a str, quote: char, out: &mut Vec<u8>) -> Option<&'a str> {
    let kind = rest.chars().next()?;
    let after = &rest[kind.len_utf8()..];
    let number = |digits: &'a str, count: usize, radix: u32| {
        let text =
            digits.get(..count).filter(|text| text.bytes().all(|byte| char::from(byte).is_digit(radix)))?;
        Some((u32::from_str_radix(text, radix).ok()?, &digits[count..]))
    };
    let simple = match kind {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        kind if kind == quote => u8::try_from(kind).ok()?,
        'x' | '0'..='7' => {
            let (code, after) = if kind == 'x' { number(after, 2, 16)? } else { number(rest, 3, 8)? };
            out.push(u8::try_from(code).ok()?);
            return Some(after);
        }
        'u' | 'U' => {
            let (code, after) = number(after, if kind == 'u' { 4 } else { 8 }, 16)?;
            out.extend(char::from_u32(code)?.encode_utf8(&mut [0; 4]).bytes());
            return Some(after);
        }
        _ => return None,
    };
    out.push(simple);
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_gos() {
        for (raw, text) in [
            (r#""a\\b\"c'\x41\101\u00fc\U0001F600\n""#, Ok("a\\b\"c'AAü😀\n")),
            (r#"'a"\''"#, Ok("a\"'")),
            (r#""\'""#, Err(1)),
            (r#"'\"'"#, Err(1)),
            (r#""a\q""#, Err(2)),
            (r#""\x4""#, Err(1)),
            (r#""\400""#, Err(1)),
            (r#""\ud800""#, Err(1)),
            (r#""\xff""#, Err(0)),
            ("\"a\nb\"", Err(2)),
        ] {
            assert_eq!(unquoted(raw).as_deref(), text.as_ref().copied(), "{raw}");
        }
    }
}

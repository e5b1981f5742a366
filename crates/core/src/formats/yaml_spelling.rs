//! Spelling a text as a YAML or JSON scalar, so that every reader takes it for that text.
//!
//! YAML has many ways to read a bare word as something else (`no`, `1e3`, `2026-01-01`), and
//! Kubernetes' reader follows YAML 1.1 in some of them; so only words that can mean nothing else
//! stay without quotes.

use std::fmt::Write as _;

use super::yaml::ScalarStyle;
use zeroize::Zeroizing;

/// Words that YAML 1.1 or 1.2 reads as a boolean or as null, in lower case.
const NOT_TEXT: &[&str] = &["false", "n", "no", "null", "off", "on", "true", "y", "yes"];

/// `value` in the style of what it replaces, where that style can carry it.
pub(super) fn spelled(value: &str, style: ScalarStyle) -> Zeroizing<String> {
    match style {
        ScalarStyle::Plain | ScalarStyle::Block if is_plain(value) => {
            Zeroizing::new(value.to_owned())
        }
        ScalarStyle::SingleQuoted if !value.chars().any(needs_escape) => {
            let mut text = Zeroizing::new(String::with_capacity(value.len() + 2));
            text.push('\'');
            for letter in value.chars() {
                text.extend((letter == '\'').then_some('\''));
                text.push(letter);
            }
            text.push('\'');
            text
        }
        _ => double_quoted(value),
    }
}

/// `value` on a line of its own, where a colon or an `@` inside a word needs no quotes either.
pub(super) fn spelled_on_line(value: &str) -> Zeroizing<String> {
    let without: String = value.replace([':', '@'], "_");
    if is_plain(&without) && !value.ends_with(':') {
        Zeroizing::new(value.to_owned())
    } else {
        double_quoted(value)
    }
}

/// One word of a command line as an item of a list: dashes at its beginning need no quotes, nor, on
/// a line of its own, does a comma, a colon or an `@` inside of it.
pub(super) fn spelled_word(word: &str, style: ScalarStyle, on_own_line: bool) -> Zeroizing<String> {
    let bare = word.trim_start_matches('-');
    let without = match on_own_line {
        true => bare.replace([':', '@', ','], "_"),
        false => bare.to_owned(),
    };
    match style {
        ScalarStyle::Plain if bare != word && is_plain(&without) && !word.ends_with(':') => {
            Zeroizing::new(word.to_owned())
        }
        _ => spelled(word, style),
    }
}

/// In double quotes, as JSON has it, which YAML understands too.
pub(super) fn double_quoted(value: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(value.len() + 2));
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            letter if needs_escape(letter) => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

/// Letters that must not stand as they are in quotes: control letters, YAML's other line ends, and
/// what YAML does not allow in a text at all.
fn needs_escape(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

fn is_plain(value: &str) -> bool {
    let mut letters = value.chars();
    let starts_well = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '/');
    starts_well
        && letters.all(|letter| {
            letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=' | '_' | '.' | '-')
        })
        && !NOT_TEXT.iter().any(|word| word.eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_mean_nothing_else_stay_plain() {
        for plain in [
            "LS0tLS1CRUdJTg==",
            "/var/lib/kubelet/pki/x.pem",
            "kubepki.dev/restarted-at",
        ] {
            assert_eq!(*spelled(plain, ScalarStyle::Plain), plain);
        }
        for quoted in [
            "",
            "No",
            "null",
            "1e3",
            "~",
            "a: b",
            "a b",
            "-a",
            "2026-11-22T00:00:00Z",
            "é",
        ] {
            assert_eq!(
                *spelled(quoted, ScalarStyle::Plain),
                format!("\"{quoted}\"")
            );
        }
    }

    #[test]
    fn a_line_has_room_for_colons() {
        assert_eq!(*spelled_on_line("system:node:a"), "system:node:a");
        assert_eq!(
            *spelled_on_line("https://10.0.0.1:6443"),
            "https://10.0.0.1:6443"
        );
        for quoted in ["a:", "a: b", "10:30", "@a", "no"] {
            assert_eq!(*spelled_on_line(quoted), format!("\"{quoted}\""));
        }
    }

    #[test]
    fn quotes_are_kept_where_they_can_carry_the_text() {
        assert_eq!(*spelled("it's", ScalarStyle::SingleQuoted), "'it''s'");
        assert_eq!(*spelled("a\nb", ScalarStyle::SingleQuoted), "\"a\\nb\"");
        assert_eq!(
            *spelled("a\"\\\t\u{0}\u{2028}", ScalarStyle::DoubleQuoted),
            "\"a\\\"\\\\\\t\\u0000\\u2028\""
        );
        assert_eq!(*spelled("x", ScalarStyle::DoubleQuoted), "\"x\"");
        assert_eq!(*spelled("x", ScalarStyle::Block), "x");
    }
}

//! Mail addresses (RFC 2821 §4.1.2 `Mailbox`) in two parts, as name constraints compare them.

/// A mail address: what the local part means, quotes and backslashes taken off, and the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) local: Vec<u8>,
    pub(super) domain: String,
}

impl Mailbox {
    /// Reads `local@domain`; nothing if it is no mailbox.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (local, rest) = match text.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted.as_bytes())?,
            None => dot_string(text.as_bytes())?,
        };
        let domain = str::from_utf8(rest.strip_prefix(b"@")?).ok()?.to_owned();
        super::name_constraints::is_domain(&domain).then_some(Self { local, domain })
    }
}

/// `Quoted-string` behind its first quote: its meaning and what follows it. Space is taken for
/// an ordinary character, as errata to RFC 3696 ask for and Go does.
fn quoted_string(mut text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut local = Vec::new();
    loop {
        let (&octet, rest) = text.split_first()?;
        text = rest;
        match octet {
            b'"' => return Some((local, text)),
            b'\\' => {
                let (&escaped, rest) = text.split_first()?;
                text = rest;
                if !matches!(escaped, 1..=9 | 11 | 12 | 14..=127) {
                    return None;
                }
                local.push(escaped);
            }
            1..=8 | 11 | 12 | 14..=33 | 35..=91 | 93..=127 => local.push(octet),
            _ => return None,
        }
    }
}

/// `Dot-string`: its meaning and what follows it. A backslash takes the next character as it is,
/// as RFC 3696 shows.
fn dot_string(mut text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut local = Vec::new();
    while let Some((&octet, rest)) = text.split_first() {
        match octet {
            b'\\' => {
                let (&escaped, rest) = rest.split_first()?;
                local.push(escaped);
                text = rest;
            }
            _ if octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&octet) => {
                local.push(octet);
                text = rest;
            }
            _ => break,
        }
    }
    let dots = local.starts_with(b".") || local.ends_with(b".");
    let two_dots = local.windows(2).any(|pair| pair == b"..");
    (!local.is_empty() && !dots && !two_dots).then_some((local, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, String)> {
        let Mailbox { local, domain } = Mailbox::parse(text)?;
        Some((String::from_utf8(local).unwrap(), domain))
    }

    #[test]
    fn mailboxes_are_read_as_in_go() {
        for (text, local, domain) in [
            ("root@example.org", "root", "example.org"),
            ("a.b+c@EXAMPLE", "a.b+c", "EXAMPLE"),
            (r#""a b"@example.org"#, "a b", "example.org"),
            (r#""a\"b"@example.org"#, "a\"b", "example.org"),
            (r"a\@b@example.org", "a@b", "example.org"),
            ("a@", "a", ""),
        ] {
            let expected = (local.to_owned(), domain.to_owned());
            assert_eq!(parts(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_mailbox_is_refused() {
        for text in [
            "",
            "@",
            "@example.org",
            "root",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a@b.",
            "a@b..c",
            "a@b c",
            "\"a@b",
            "\"a\"b@c",
            r#""a\"#,
            "a\\",
            "é@b",
        ] {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }
}

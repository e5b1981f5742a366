//! What a user types to name a host. What `ssh` would take for something else is refused: an option, or
//! what a shell runs.

use thiserror::Error;

/// A destination as ssh(1) understands it: an alias of its configuration, `user@host`, or
/// `ssh://user@host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(String);

/// Why a text is no destination.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// Nothing, or nothing but spaces.
    #[error("the destination is empty")]
    Empty,
    /// ssh would take it for an option, and options can run programs.
    #[error("the destination {0:?} begins with a dash: ssh would take it for an option")]
    Option(String),
    /// ssh hands destinations to ProxyCommand and Match exec, which are run by a shell
    /// (CVE-2023-51385).
    #[error("the destination {text:?} has a character that no host's name has: {character:?}")]
    Character {
        /// The whole text.
        text: String,
        /// The first such character.
        character: char,
    },
}

impl Destination {
    /// Reads a destination; what may harm is refused.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        if text.trim().is_empty() {
            return Err(DestinationError::Empty);
        }
        // the host's part is what a dash may hide in, too: ssh://-oProxyCommand=…, user@-o…
        let host = text.strip_prefix("ssh://").unwrap_or(text);
        let after_user = host.rsplit_once('@').map_or(host, |(_, rest)| rest);
        if [text, host, after_user]
            .iter()
            .any(|part| part.starts_with('-'))
        {
            return Err(DestinationError::Option(text.to_owned()));
        }
        match text.chars().find(|character| !is_plain(*character)) {
            Some(character) => Err(DestinationError::Character {
                text: text.to_owned(),
                character,
            }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name or address and the port, as `ssh-keyscan` wants them. An alias is its own name: what
    /// ssh makes of it is known to ssh alone.
    pub fn host_and_port(&self) -> (&str, Option<&str>) {
        let Some(address) = self.0.strip_prefix("ssh://") else {
            return (
                self.0.rsplit_once('@').map_or(&self.0, |(_, host)| host),
                None,
            );
        };
        let address = address.rsplit_once('@').map_or(address, |(_, host)| host);
        let address = address.trim_end_matches('/');
        if let Some((host, rest)) = address
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            return (host, rest.strip_prefix(':'));
        }
        match address.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    }
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-@:/[]%+=~,".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_understands_is_taken() {
        for fine in [
            "cp1",
            "ops@cp1.example.org",
            "ssh://ops@10.0.0.1:2222",
            "ssh://[fe80::1%25eth0]:22",
            "fe80::1%eth0",
            "ops@realm.org@bastion",
            "my-alias_2",
        ] {
            assert_eq!(Destination::parse(fine).unwrap().as_str(), fine);
        }
    }

    #[test]
    fn what_would_be_an_option_is_refused() {
        for wrong in [
            "-oProxyCommand=touch /tmp/x",
            "-F/tmp/config",
            "--",
            "ssh://-oProxyCommand=x",
            "ops@-oProxyCommand=x",
            "ssh://ops@-l",
        ] {
            assert_eq!(
                Destination::parse(wrong),
                Err(DestinationError::Option(wrong.to_owned())),
            );
        }
        assert_eq!(Destination::parse("  "), Err(DestinationError::Empty));
    }

    #[test]
    fn what_a_shell_would_run_is_refused() {
        for wrong in [
            "a;id", "a b", "$(id)", "`id`", "a|b", "a\nb", "a'b", "a&b", "a\\b", "a\0",
        ] {
            assert!(
                matches!(
                    Destination::parse(wrong),
                    Err(DestinationError::Character { .. })
                ),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn the_name_to_scan_has_no_user_and_no_brackets() {
        let parts = |text| {
            let destination = Destination::parse(text).unwrap();
            let (host, port) = destination.host_and_port();
            (host.to_owned(), port.map(str::to_owned))
        };
        assert_eq!(parts("ops@cp1"), ("cp1".into(), None));
        assert_eq!(parts("fe80::1"), ("fe80::1".into(), None));
        assert_eq!(
            parts("ssh://ops@cp1:2222/"),
            ("cp1".into(), Some("2222".into()))
        );
        assert_eq!(
            parts("ssh://[fe80::1]:22"),
            ("fe80::1".into(), Some("22".into()))
        );
        assert_eq!(parts("ssh://cp1"), ("cp1".into(), None));
    }
}

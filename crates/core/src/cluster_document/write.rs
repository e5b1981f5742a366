//! A cluster document as YAML, with a header that tells its reader what it is.

use super::ClusterDocument;

const HEADER: &str = "\
# The hosts of a cluster, and how kubepki reaches each. Nothing in here is secret.
#
# ssh       anything that `ssh` understands: an alias of ~/.ssh/config, user@host, ssh://user@host:port
# command   or a command that runs commands on the host, e.g. [docker, exec, -i, node1]
# root      or a folder that stands for the host: the mounted disk of one that does not boot
# local     or true: this machine
# become    sudo (`sudo -n`, the default unless the login is root's) or root
# labels    words of your own to select by: --hosts env=prod
# layout    a file that declares where a host laid out by hand has what no flag names
#
# Roles are discovered, not declared. `kubepki schema Cluster` prints the JSON Schema.
";

impl ClusterDocument {
    /// The document as YAML, with a header of comments.
    ///
    /// # Errors
    /// In words, when it cannot be spelled; no document that was read cannot.
    pub fn to_yaml(&self) -> Result<String, String> {
        let body = serde_saphyr::to_string(self).map_err(|error| error.to_string())?;
        Ok(format!("{HEADER}{body}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Become, ClusterHost, Reach};
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let mut cp1 = ClusterHost::by_ssh("cp1", "root@[fd00::1]");
        cp1.becomes = Some(Become::Sudo);
        cp1.labels.insert("env".to_owned(), "yes".to_owned());
        cp1.labels.insert("rack".to_owned(), "007".to_owned());
        let host = |name: &str, reach: Reach| ClusterHost {
            name: name.to_owned(),
            reach,
            becomes: None,
            labels: Default::default(),
            layout: (name == "1").then(|| "by hand.yaml".into()),
        };
        let hosts = vec![
            cp1,
            host("1", Reach::default()),
            host(
                "on",
                Reach {
                    command: Some(vec!["docker".into(), "exec".into(), "a: b # c".into()]),
                    ..Reach::default()
                },
            ),
            host(
                "disk",
                Reach {
                    root: Some("/mnt/it's".into()),
                    ..Reach::default()
                },
            ),
            host(
                "here",
                Reach {
                    local: true,
                    ..Reach::default()
                },
            ),
        ];
        let document = ClusterDocument::new(Some("null".to_owned()), hosts);
        let text = document.to_yaml().unwrap();
        assert_eq!(ClusterDocument::parse(&text).unwrap(), document, "{text}");
        assert!(text.starts_with("# The hosts of a cluster"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 110), "{text}");
        let json = serde_json::to_string(&document).unwrap();
        assert_eq!(ClusterDocument::parse(&json).unwrap(), document, "{json}");
    }
}

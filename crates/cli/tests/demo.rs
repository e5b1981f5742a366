//! `kubepki demo`, tested from outside: what it tells is so.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    struct Outcome {
        stdout: String,
        stderr: String,
        code: i32,
    }

    /// Runs the binary without a terminal.
    fn kubepki(folder: &Path, words: &[&str]) -> Outcome {
        let output = Command::new("setsid")
            .arg("--wait")
            .arg(env!("CARGO_BIN_EXE_kubepki"))
            .args(words)
            .current_dir(folder)
            .env_remove("KUBEPKI_ROOT")
            .env_remove("CLICOLOR_FORCE")
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Outcome {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap(),
        }
    }

    fn demo(folder: &Path, words: &[&str]) -> Outcome {
        let outcome = kubepki(folder, &[&["demo"], words].concat());
        assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
        outcome
    }

    /// Whether OpenSSL takes the API server's certificate, and its words.
    fn openssl_takes(host: &Path) -> (bool, String) {
        let pki = host.join("etc/kubernetes/pki");
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile"])
            .args([pki.join("ca.crt"), pki.join("apiserver.crt")])
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), words)
    }

    /// The handshakes of one table: client, server, and whether each was refused as expired.
    fn handshakes(told: &str) -> Vec<(String, bool, bool)> {
        let lines = told.lines().skip_while(|line| !line.starts_with("CLIENT "));
        let rows = lines.skip(1).take_while(|line| !line.is_empty());
        rows.map(|row| {
            let cells: Vec<&str> = row
                .split("   ")
                .map(str::trim)
                .filter(|it| !it.is_empty())
                .collect();
            let [client, server, of_server, of_client] = cells[..] else {
                panic!("{row}");
            };
            let is_expired = |cell: &str| {
                let expired = cell.starts_with("refused: expired ");
                assert!(expired || cell.starts_with("accepted: "), "{row}");
                expired
            };
            (
                format!("{client} {server}"),
                is_expired(of_server),
                is_expired(of_client),
            )
        })
        .collect()
    }

    #[test]
    fn an_expired_host_comes_back_and_that_is_proved() {
        let folder = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let told = demo(folder.path(), &["--no-components", "--dir", "host"]).stdout;
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{:?}",
            started.elapsed()
        );

        let (before, after) = told.split_once("renew all").unwrap();
        let expected = [
            "admin.conf kube-apiserver",
            "scheduler.conf kube-apiserver",
            "kubelet kube-apiserver",
            "kube-apiserver etcd",
        ];
        let both = |expired| {
            expected
                .map(|who| (who.to_owned(), expired, expired))
                .to_vec()
        };
        assert_eq!(handshakes(before), both(true));
        assert_eq!(handshakes(after), both(false));
        assert!(
            after.contains("accepted: O=system:masters, CN=kubernetes-admin"),
            "{after}"
        );

        let host = folder.path().join("host");
        assert_eq!(openssl_takes(&host), (true, String::new()));
        // What it suggests works: each line as it stands, the last of them brings the old files back.
        let suggestions: Vec<&str> = told
            .lines()
            .filter_map(|line| line.strip_prefix("  kubepki "))
            .collect();
        assert_eq!(suggestions.len(), 3, "{told}");
        for line in suggestions {
            let words: Vec<&str> = line.split_whitespace().chain(["--yes"]).collect();
            let outcome = kubepki(folder.path(), &words);
            assert_eq!(
                outcome.code, 0,
                "{line}: {}\n{}",
                outcome.stdout, outcome.stderr
            );
        }
        let names = Command::new("openssl")
            .args(["x509", "-noout", "-ext", "subjectAltName", "-in"])
            .arg(host.join("etc/kubernetes/pki/apiserver.crt"))
            .output()
            .unwrap();
        let names = String::from_utf8_lossy(&names.stdout).into_owned();
        assert!(
            !names.contains("api.example.com"),
            "undo took the name away again: {names}"
        );
    }

    #[test]
    fn the_host_is_one_that_status_finds_nothing_wrong_with_but_its_dates() {
        let folder = tempfile::tempdir().unwrap();
        demo(folder.path(), &["--no-components", "--dir", "host"]);
        let status = kubepki(folder.path(), &["status", "--root", "host", "-o", "json"]);
        assert_eq!(status.code, 0, "{}", status.stdout);
        let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
        let gaps = status["gaps"].as_array().unwrap();
        let unseen: Vec<&str> = gaps
            .iter()
            .map(|gap| gap["object"].as_str().unwrap())
            .collect();
        assert_eq!(
            unseen,
            ["processes"],
            "only what runs cannot be seen in a folder"
        );
        let mut names: Vec<&str> = status["certificates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "admin.conf",
                "apiserver",
                "apiserver-etcd-client",
                "apiserver-kubelet-client",
                "controller-manager.conf",
                "etcd-healthcheck-client",
                "etcd-peer",
                "etcd-server",
                "front-proxy-client",
                "kubelet-client",
                "kubelet-server",
                "scheduler.conf",
            ]
        );
        for row in status["certificates"].as_array().unwrap() {
            assert_eq!(row["findings"], serde_json::json!([]), "{row:#}");
        }
        let link = folder
            .path()
            .join("host/var/lib/kubelet/pki/kubelet-client-current.pem");
        assert!(
            std::fs::read_link(link).unwrap().is_absolute(),
            "as the kubelet makes it"
        );
    }

    #[test]
    fn without_a_folder_it_makes_one_among_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        demo(folder.path(), &["--no-components"]);
        let entries: Vec<PathBuf> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        let [made] = &entries[..] else {
            panic!("{entries:?}");
        };
        let name = made.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("kubepki-demo-"), "{name}");
        assert!(made.join("etc/kubernetes/admin.conf").is_file());
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::fs::write(folder.path().join("home/notes"), "mine").unwrap();
        let refused = kubepki(folder.path(), &["demo", "--dir", "home"]);
        assert_eq!(refused.code, 1);
        assert!(refused.stderr.contains("not empty"), "{}", refused.stderr);
        for words in [
            &["demo", "-o", "json"][..],
            &["demo", "--root", "home"],
            &["demo", "--now", "2030-01-01"],
        ] {
            let refused = kubepki(folder.path(), words);
            assert_eq!(refused.code, 2, "{words:?}: {}", refused.stderr);
        }
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1);
    }

    #[test]
    #[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
    fn a_real_control_plane_is_locked_out_and_comes_back() {
        assert!(
            std::env::var_os("KUBEBUILDER_ASSETS").is_some(),
            "KUBEBUILDER_ASSETS is not set"
        );
        let folder = tempfile::tempdir().unwrap();
        let told = demo(folder.path(), &["--dir", "host"]).stdout;
        let (before, after) = told.split_once("renew all").unwrap();
        assert!(
            before.contains("refused GET /api/v1/namespaces with admin.conf"),
            "{before}"
        );
        assert!(before.contains("certificate has expired"), "{before}");
        assert!(
            after.contains("200 GET /api/v1/namespaces with admin.conf"),
            "{after}"
        );
        assert_eq!(
            processes_of(folder.path()),
            Vec::<String>::new(),
            "something still runs"
        );
    }

    /// Command lines of processes that name the folder.
    fn processes_of(folder: &Path) -> Vec<String> {
        let folder = folder.display().to_string();
        let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let lines = entries.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        lines.filter(|line| line.contains(&folder)).collect()
    }
}

//! Live TLS servers: OpenSSL's own, on a port that the kernel chose.

use super::support::{Workplace, codes, kinds};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(here: &Workplace, words: &[&str]) -> Self {
        let mut process = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-cert",
                "web.crt",
                "-key",
                "web.key",
            ])
            .args(words)
            .current_dir(here.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:").map(str::to_owned))
            .unwrap();
        Self {
            process,
            port: port.trim().parse().unwrap(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_server_shows_its_chain_protocol_and_accepted_cas() {
    let here = Workplace::new();
    here.ca("ca", "/CN=kubernetes");
    here.ca("clients", "/O=clients/CN=client-ca");
    here.server("web", "ca");
    let server = Server::start(
        &here,
        &[
            "-cert_chain",
            "ca.crt",
            "-CAfile",
            "clients.crt",
            "-Verify",
            "1",
        ],
    );
    let endpoint = format!("127.0.0.1:{}", server.port);
    let (value, outcome) = here.json(&[&endpoint, "ca.crt"]);
    let items = value["items"].as_array().unwrap();
    assert_eq!(
        kinds(items),
        ["TlsServer", "Certificate", "Certificate", "Certificate"]
    );
    assert_eq!(
        items[0],
        json!({
            "kind": "TlsServer",
            "location": {"endpoint": endpoint, "index": 1},
            "protocol": "TLSv1.3",
            "chainLength": 2,
            "asksClientCertificate": true,
            "acceptableClientAuthorities": ["O=clients, CN=client-ca"],
            "findings": [],
        })
    );
    assert_eq!(
        items[1]["location"],
        json!({"endpoint": endpoint, "index": 2})
    );
    assert_eq!(items[1]["subject"], "CN=kube-apiserver");
    assert_eq!(items[1]["signedBy"]["name"], "CN=kubernetes");
    assert_eq!(outcome.code, 0);
}

#[test]
fn an_older_protocol_and_an_expired_certificate_are_shown_not_refused() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.server("web", "ca");
    let server = Server::start(&here, &["-tls1_2"]);
    let address = format!("https://localhost:{}/healthz", server.port);
    let (value, outcome) = here.json(&[&address, "--now", "2030-01-01"]);
    assert_eq!(value["items"][0]["protocol"], "TLSv1.2");
    assert_eq!(value["items"][0]["asksClientCertificate"], false);
    assert_eq!(codes(&value["items"][1]), ["expired"]);
    assert_eq!(outcome.code, 4);
}

#[test]
fn a_server_that_is_not_there() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = free.local_addr().unwrap().to_string();
    drop(free);
    let (value, outcome) = here.json(&[&endpoint, "ca.crt"]);
    assert_eq!(value["errors"][0]["code"], "unreachable");
    assert_eq!(value["errors"][0]["location"], endpoint);
    assert_eq!(kinds(value["items"].as_array().unwrap()), ["Certificate"]);
    assert_eq!(outcome.code, 1);
}

#[test]
fn a_file_of_that_name_comes_first() {
    let here = Workplace::new();
    here.ca("ca", "/CN=ca");
    here.write("localhost:443", here.text("ca.crt"));
    let items = here.items(&["localhost:443"]);
    assert_eq!(items[0]["location"]["path"], "localhost:443");
}

//! The README's sample commands about hosts, run as they stand there: only where hosts come from and
//! where they are is put in, since no API and no SSH is at hand.

use crate::cluster::{Cluster, EXPIRED};
use std::fs;

const README: &str = include_str!("../../../../README.md");

/// The commands of the block that begins with `kubepki hosts discover`, without their remarks.
fn commands() -> Vec<Vec<String>> {
    let start = README.find("$ kubepki hosts discover").unwrap();
    let block = README[start..].split("```").next().unwrap();
    let lines = block
        .lines()
        .filter_map(|line| line.strip_prefix("$ kubepki "));
    let words = |line: &str| {
        let command = line.split(" #").next().unwrap_or(line);
        command.split_whitespace().map(str::to_owned).collect()
    };
    lines.map(words).collect()
}

#[test]
fn the_commands_about_hosts_do_what_the_readme_says() {
    let cluster = Cluster::three_and_two(EXPIRED);
    let folders = fs::read_to_string(cluster.path("kubepki.yaml")).unwrap();
    fs::remove_file(cluster.path("kubepki.yaml")).unwrap();
    let hosts = ["cp1", "cp2", "cp3", "w1", "w2"];
    let inventory: String = hosts
        .iter()
        .enumerate()
        .map(|(index, host)| format!("{host} ansible_host=192.0.2.{}\n", index + 1))
        .collect();
    fs::write(cluster.path("hosts.ini"), format!("[all]\n{inventory}")).unwrap();

    let commands = commands();
    let verbs: Vec<&str> = commands.iter().map(|words| words[0].as_str()).collect();
    assert_eq!(verbs, ["hosts", "status", "renew", "rescue"]);
    for command in &commands {
        let words = command.iter().map(|word| match word.as_str() {
            "nodes" => "ansible:hosts.ini",
            word => word,
        });
        let words: Vec<&str> = words.chain(["--yes"]).collect();
        let code = match words[0] {
            "status" => 4,
            _ => 0,
        };
        let run = cluster.kubepki(&words).expect(code);
        match words[0] {
            "hosts" => {
                let written = fs::read_to_string(cluster.path("kubepki.yaml")).unwrap();
                for host in hosts {
                    assert!(written.contains(&format!("name: {host}")), "{written}");
                }
                // Their folders stand for them from here on.
                fs::write(cluster.path("kubepki.yaml"), &folders).unwrap();
            }
            "status" => assert!(run.stderr.contains("certificates on 5 hosts"), "{run}"),
            "renew" => {
                cluster.kubepki(&["status"]).expect(0);
            }
            _ => assert!(run.stderr.contains("nothing is broken"), "{run}"),
        }
    }
}

//! The INI form of an inventory: sections of hosts, of variables and of groups.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ini_inventory.html>

use super::super::SourceError;
use super::groups::{ALL, Groups};
use super::ranges;
use crate::formats::shell_words;

enum Section {
    Hosts(String),
    Variables(String),
    Children(String),
}

pub(super) fn parse(text: &str) -> Result<Groups, SourceError> {
    let mut groups = Groups::default();
    let mut section = Section::Hosts(ALL.to_owned());
    for (index, line) in text.lines().enumerate() {
        let line_text = line.trim();
        let wrong = |reason: String| SourceError::Line {
            line: index + 1,
            reason,
        };
        if line_text.is_empty() || line_text.starts_with(['#', ';']) {
            continue;
        }
        // a line may begin with an IPv6 address in brackets, and with a range
        if line_text.starts_with('[') && !begins_with_address(line_text) {
            section = read_section(line_text).map_err(wrong)?;
            if let Section::Hosts(group) | Section::Children(group) = &section {
                groups.group(group);
            }
            continue;
        }
        match &section {
            Section::Hosts(group) => {
                read_host(&mut groups, group, line_text).map_err(wrong)?;
            }
            Section::Variables(group) => {
                let (name, value) = line_text
                    .split_once('=')
                    .ok_or_else(|| wrong(format!("expected name=value, found {line_text:?}")))?;
                groups.set_of_group(group, name.trim(), &unquoted(value));
            }
            Section::Children(group) => {
                let child = line_text.split_whitespace().next().unwrap_or_default();
                groups.child(group, child);
            }
        }
    }
    Ok(groups)
}

fn begins_with_address(line: &str) -> bool {
    let inner = line
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next());
    inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

fn read_section(line: &str) -> Result<Section, String> {
    let inner = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .filter(|(_, rest)| rest.trim().is_empty() || rest.trim_start().starts_with(['#', ';']));
    let Some((inner, _)) = inner else {
        return Err(format!("expected [group], found {line:?}"));
    };
    match inner.split_once(':') {
        None => Ok(Section::Hosts(inner.trim().to_owned())),
        Some((group, "vars")) => Ok(Section::Variables(group.trim().to_owned())),
        Some((group, "children")) => Ok(Section::Children(group.trim().to_owned())),
        Some(_) => Err(format!(
            "expected [group], [group:vars] or [group:children], found {line:?}"
        )),
    }
}

fn read_host(groups: &mut Groups, group: &str, line: &str) -> Result<(), String> {
    let words = shell_words::words(line);
    let mut words = words.iter().take_while(|word| !word.starts_with('#'));
    let Some(pattern) = words.next() else {
        return Ok(());
    };
    let variables: Vec<(&str, &str)> = words.filter_map(|word| word.split_once('=')).collect();
    for name in ranges::expand(pattern)? {
        let (name, port) = split_port(&name);
        groups.host(group, name);
        if let Some(port) = port {
            groups.set_of_host(name, "ansible_port", port);
        }
        for (variable, value) in &variables {
            groups.set_of_host(name, variable, value);
        }
    }
    Ok(())
}

/// `host:2222`, `[fd00::1]:2222`; an address without brackets has no port.
fn split_port(name: &str) -> (&str, Option<&str>) {
    if let Some(rest) = name.strip_prefix('[')
        && let Some((address, port)) = rest.split_once(']')
    {
        return (address, port.strip_prefix(':'));
    }
    match name.split_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
        _ => (name, None),
    }
}

fn unquoted(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|it| it.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.to_owned();
        }
    }
    // a comment behind a value
    match value.split_once(" #") {
        Some((value, _)) => value.trim().to_owned(),
        None => value.to_owned(),
    }
}

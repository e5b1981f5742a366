//! The flags a component was started with: from a pod's command, a unit file or
//! `/proc/PID/cmdline`, through shells and wrappers.
//!
//! Flags are what a component really reads, so discovery starts here. Both of Go's flag packages
//! are understood: `--name=value`, `--name value`, `-name=value`; a repeated flag's last value
//! wins. `_` and `-` are the same in a name, as Kubernetes normalizes them.
//!
//! Not here: which flag means what; that is a table in [`crate::layouts`].

use super::shell_words;
use super::yaml::{self, NodeRef, YamlError};
use crate::model::component_kind::ComponentKind;
use serde::{Deserialize, Serialize};

/// Programs that start another one named further on in their arguments. Only after one of these
/// is a later word taken for the program: `vim kubelet` is not a kubelet.
const WRAPPERS: &[&str] = &[
    "catatonit",
    "chrt",
    "dumb-init",
    "entrypoint.sh",
    "env",
    "exec",
    "go-runner",
    "hyperkube",
    "ionice",
    "kube-log-runner",
    "nice",
    "nohup",
    "numactl",
    "prlimit",
    "setsid",
    "stdbuf",
    "sudo",
    "taskset",
    "time",
    "tini",
    "tini-static",
];

/// hyperkube's names for what it holds, beside the full ones.
const HYPERKUBE_NAMES: &[(&str, ComponentKind)] = &[
    ("apiserver", ComponentKind::KubeApiserver),
    ("controller-manager", ComponentKind::KubeControllerManager),
    ("proxy", ComponentKind::KubeProxy),
    ("scheduler", ComponentKind::KubeScheduler),
];

/// Shells, whose `-c` argument is a script of its own.
const SHELLS: &[&str] = &["ash", "bash", "busybox", "dash", "sh"];

/// etcd's settings that a configuration file keeps under another name.
const ETCD_SECTIONS: &[(&str, &str)] = &[
    ("client-transport-security", ""),
    ("peer-transport-security", "peer-"),
];

/// The arguments of one program, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    executable: Option<String>,
    component: Option<ComponentKind>,
    flags: Vec<Flag>,
    positional: Vec<String>,
}

/// One flag as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// The name without its dashes.
    pub name: String,
    /// The value; none for a flag that stands alone.
    pub value: Option<String>,
}

impl Flags {
    /// From a program's whole argument list, the program first. Shells (`sh -c "exec kubelet …"`)
    /// and wrappers (`tini -- etcd …`, `hyperkube kubelet …`) are looked through.
    pub fn from_argv<S: AsRef<str>>(argv: &[S]) -> Self {
        let argv: Vec<String> = argv.iter().map(|word| word.as_ref().to_owned()).collect();
        let (program, environment) = innermost_program(argv, Vec::new(), 4);
        let Some((executable, arguments)) = program.split_first() else {
            return Self::default();
        };
        let component = ComponentKind::from_executable(executable);
        let flags = Self {
            executable: Some(executable.clone()),
            component,
            ..Self::from_arguments(arguments)
        };
        match component {
            Some(ComponentKind::Etcd) => flags.with_etcd_environment(environment),
            _ => flags,
        }
    }

    /// From arguments alone, where the program is known otherwise (an image's entrypoint).
    pub fn from_arguments<S: AsRef<str>>(arguments: &[S]) -> Self {
        let mut parsed = Self::default();
        let mut words = arguments
            .iter()
            .map(|word| word.as_ref().trim_end_matches('\r'))
            .peekable();
        while let Some(word) = words.next() {
            let Some(name) = flag_name(word) else {
                parsed.positional.push(word.to_owned());
                continue;
            };
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                // Without its type a flag before a bare word is taken to own it; no component
                // of Kubernetes has positional arguments that this could swallow.
                None => match words.next_if(|next| flag_name(next).is_none()) {
                    Some(value) => (name, Some(value.to_owned())),
                    None => (name, None),
                },
            };
            parsed.flags.push(Flag {
                name: normalized(name),
                value,
            });
        }
        parsed
    }

    /// From an etcd configuration file (`--config-file`). etcd then ignores every other flag.
    ///
    /// `client-transport-security` becomes `cert-file`, `key-file`, `trusted-ca-file`, …;
    /// `peer-transport-security` becomes `peer-cert-file` and so on.
    /// <https://etcd.io/docs/v3.4/op-guide/configuration/>
    pub fn from_etcd_configuration(text: &str) -> Result<Self, YamlError> {
        let mut parsed = Self {
            component: Some(ComponentKind::Etcd),
            ..Self::default()
        };
        if let Some(document) = yaml::parse(text)?.first() {
            for (name, value) in document.root().entries() {
                match ETCD_SECTIONS.iter().find(|(section, _)| *section == name) {
                    Some((_, prefix)) => parsed.take_settings(prefix, value),
                    None => parsed.take_setting(name, value),
                }
            }
        }
        Ok(parsed)
    }

    /// These flags with what etcd takes from its environment (`ETCD_CERT_FILE`): a flag on the
    /// command line is stronger than a variable.
    pub fn with_etcd_environment<K, V>(
        mut self,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Self
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        for (name, value) in environment {
            let Some(name) = name.as_ref().strip_prefix("ETCD_") else {
                continue;
            };
            let name = normalized(&name.to_ascii_lowercase());
            if !self.is_set(&name) {
                self.flags.push(Flag {
                    name,
                    value: Some(value.as_ref().to_owned()),
                });
            }
        }
        self
    }

    /// These flags with a setting of a configuration file: a flag on the command line is stronger.
    pub fn with_setting(mut self, name: &str, value: impl Into<String>) -> Self {
        let name = normalized(name);
        if !self.is_set(&name) {
            self.flags.push(Flag {
                name,
                value: Some(value.into()),
            });
        }
        self
    }

    /// These flags as those of `component`, where the arguments do not name their program.
    pub fn of_component(mut self, component: ComponentKind) -> Self {
        self.component = Some(component);
        self
    }

    /// The program as it was called, looked through shells and wrappers.
    pub fn executable(&self) -> Option<&str> {
        self.executable.as_deref()
    }

    /// Which component the program is.
    pub fn component(&self) -> Option<ComponentKind> {
        self.component
    }

    /// The value of a flag; the last one if it was repeated. A flag without a value is `None`.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.flags
            .iter()
            .rev()
            .find(|flag| flag.name == name)?
            .value
            .as_deref()
    }

    /// Every value of a flag, in order, lists (`a,b`) not split.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags
            .iter()
            .filter(move |flag| flag.name == name)
            .filter_map(|flag| flag.value.as_deref())
    }

    /// Every element of a flag that takes a list: repeated, or joined by commas.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|item| !item.is_empty())
    }

    /// A boolean flag as Go reads it: alone means true; none if absent or not a boolean.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        let flag = self.flags.iter().rev().find(|flag| flag.name == name)?;
        match flag.value.as_deref() {
            None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Some(true),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Some(false),
            Some(_) => None,
        }
    }

    /// Whether the flag was given at all.
    pub fn is_set(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag.name == name)
    }

    /// Every flag in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Flag> {
        self.flags.iter()
    }

    /// The words that belong to no flag.
    pub fn positional(&self) -> &[String] {
        &self.positional
    }

    fn take_settings(&mut self, prefix: &str, section: NodeRef<'_>) {
        for (name, value) in section.entries() {
            self.take_setting(&format!("{prefix}{name}"), value);
        }
    }

    fn take_setting(&mut self, name: &str, value: NodeRef<'_>) {
        if let Some(value) = value.to_text() {
            self.flags.push(Flag {
                name: normalized(name),
                value: Some(value),
            });
        }
    }
}

/// The argument list of a process from the bytes of `/proc/PID/cmdline`.
pub fn argv_of_cmdline(cmdline: &[u8]) -> Vec<String> {
    let cmdline = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    if cmdline.is_empty() {
        return Vec::new();
    }
    cmdline
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// The environment of a process from the bytes of `/proc/PID/environ`, kept to variables whose
/// name begins with `prefix`: the rest may be secret and is nobody's business.
pub fn environment_of_environ(environ: &[u8], prefix: &str) -> Vec<(String, String)> {
    let variables = environ.split(|byte| *byte == 0).filter_map(|variable| {
        let variable = std::str::from_utf8(variable).ok()?;
        let (name, value) = variable.split_once('=')?;
        name.starts_with(prefix)
            .then(|| (name.to_owned(), value.to_owned()))
    });
    variables.collect()
}

/// `--name`, `-name`, but neither `-`, `--` nor a negative number.
fn flag_name(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        .then_some(name)
}

fn normalized(name: &str) -> String {
    name.replace('_', "-")
}

type Environment = Vec<(String, String)>;

/// Looks through shells and wrappers; the result begins with the program itself.
fn innermost_program(
    argv: Vec<String>,
    environment: Environment,
    depth: usize,
) -> (Vec<String>, Environment) {
    let Some(first) = argv.first() else {
        return (argv, environment);
    };
    let name = base_name(first);
    if depth == 0 || ComponentKind::from_executable(name).is_some() {
        return (argv, environment);
    }
    if name == "hyperkube"
        && let Some(short) = argv.get(1)
        && let Some((_, kind)) = HYPERKUBE_NAMES.iter().find(|(name, _)| name == short)
    {
        let mut words = vec![kind.executable().to_owned()];
        words.extend(argv.into_iter().skip(2));
        return (words, environment);
    }
    if SHELLS.contains(&name)
        && let Some(script) = script_of(&argv)
        && let Some((words, mut assigned)) = program_in_script(script)
    {
        assigned.extend(environment);
        return innermost_program(words, assigned, depth - 1);
    }
    if WRAPPERS.contains(&name)
        && let Some(start) = wrapped_program(&argv)
    {
        let words = argv.get(start..).unwrap_or_default().to_vec();
        return innermost_program(words, environment, depth - 1);
    }
    (argv, environment)
}

/// Where the program behind a wrapper begins: at a component or another wrapper or shell.
fn wrapped_program(argv: &[String]) -> Option<usize> {
    let known = |word: &str| {
        let name = base_name(word);
        ComponentKind::from_executable(name).is_some()
            || SHELLS.contains(&name)
            || WRAPPERS.contains(&name)
    };
    argv.iter()
        .skip(1)
        .position(|word| known(word))
        .map(|position| position + 1)
}

/// The word after a shell's `-c` (also `-ec`, `-xc`).
fn script_of(argv: &[String]) -> Option<&str> {
    let mut words = argv.iter().skip(1);
    words.find(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
    words.next().map(String::as_str)
}

/// The first command of a script that is a component, with the variables set before it.
fn program_in_script(script: &str) -> Option<(Vec<String>, Environment)> {
    let mut environment = Environment::new();
    for command in shell_words::commands(script) {
        let mut words = command.into_iter().peekable();
        while let Some(word) = words.peek() {
            if word == "export" || word == "exec" {
                words.next();
            } else if let Some((name, value)) = assignment(word) {
                environment.push((name.to_owned(), value.to_owned()));
                words.next();
            } else {
                break;
            }
        }
        let words: Vec<String> = words.collect();
        let Some(first) = words.first() else { continue };
        let name = base_name(first);
        let wraps = (WRAPPERS.contains(&name) || SHELLS.contains(&name))
            && wrapped_program(&words).is_some();
        if ComponentKind::from_executable(name).is_some() || wraps {
            return Some((words, environment));
        }
    }
    None
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let mut letters = name.chars();
    let starts_well = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    (starts_well && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_'))
        .then_some((name, value))
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

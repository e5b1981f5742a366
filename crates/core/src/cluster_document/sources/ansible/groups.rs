//! Groups of an inventory: who is in which, and whose variables count.
//!
//! A host's own variables come before its groups', those of an inner group before those of the
//! groups around it, and `all` comes last.
//! <https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#how-variables-are-merged>

use std::collections::{BTreeMap, BTreeSet};

/// Variables by name. Only texts, numbers and booleans, as they are spelled.
pub(super) type Variables = BTreeMap<String, String>;

/// Every group holds all hosts that are in none of the others.
pub(super) const ALL: &str = "all";

#[derive(Debug, Default)]
struct Group {
    hosts: Vec<String>,
    children: Vec<String>,
    variables: Variables,
}

/// What an inventory says.
#[derive(Debug, Default)]
pub(super) struct Groups {
    order: Vec<String>,
    groups: BTreeMap<String, Group>,
    hosts: Vec<String>,
    variables: BTreeMap<String, Variables>,
    /// The groups that name a host themselves.
    named_in: BTreeMap<String, Vec<String>>,
}

impl Groups {
    /// Makes sure that there is a group of this name.
    pub(super) fn group(&mut self, name: &str) {
        if !self.groups.contains_key(name) {
            self.order.push(name.to_owned());
            self.groups.insert(name.to_owned(), Group::default());
        }
    }

    /// Puts a host into a group.
    pub(super) fn host(&mut self, group: &str, host: &str) {
        self.group(group);
        let named_in = self.named_in.entry(host.to_owned()).or_default();
        if !named_in.iter().any(|known| known == group) {
            named_in.push(group.to_owned());
            if let Some(group) = self.groups.get_mut(group) {
                group.hosts.push(host.to_owned());
            }
        }
        if !self.variables.contains_key(host) {
            self.hosts.push(host.to_owned());
            self.variables.insert(host.to_owned(), Variables::new());
        }
    }

    /// Puts a group into a group.
    pub(super) fn child(&mut self, group: &str, child: &str) {
        self.group(group);
        self.group(child);
        if let Some(group) = self.groups.get_mut(group) {
            group.children.push(child.to_owned());
        }
    }

    /// Sets a variable of a host; the last word counts.
    pub(super) fn set_of_host(&mut self, host: &str, name: &str, value: &str) {
        let variables = self.variables.entry(host.to_owned()).or_default();
        variables.insert(name.to_owned(), value.to_owned());
    }

    /// Sets a variable of a group.
    pub(super) fn set_of_group(&mut self, group: &str, name: &str, value: &str) {
        self.group(group);
        if let Some(group) = self.groups.get_mut(group) {
            group.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Every host, in the order of the inventory.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// The hosts of a group and of the groups in it.
    pub(super) fn members<'g>(&'g self, group: &'g str) -> Vec<&'g str> {
        let mut seen = BTreeSet::new();
        let groups = self.with_inner(group).into_iter();
        groups
            .filter_map(|group| self.groups.get(group))
            .flat_map(|group| &group.hosts)
            .map(String::as_str)
            .filter(|host| seen.insert(*host))
            .collect()
    }

    /// The variables of a host, its groups' folded in.
    pub(super) fn variables_of(&self, host: &str) -> Variables {
        let named_in = self.named_in.get(host).map_or(&[][..], Vec::as_slice);
        let holds = |group: &str| {
            let inner = self.with_inner(group);
            named_in.iter().any(|name| inner.contains(&name.as_str()))
        };
        let mut of_groups: Vec<(usize, &Group)> = self
            .order
            .iter()
            .filter(|name| *name != ALL && holds(name))
            .filter_map(|name| Some((self.depth(name), self.groups.get(name)?)))
            .collect();
        of_groups.sort_by_key(|(depth, _)| *depth);
        let all = self.groups.get(ALL);
        let layers = all
            .map(|group| &group.variables)
            .into_iter()
            .chain(of_groups.iter().map(|(_, group)| &group.variables))
            .chain(self.variables.get(host));
        let mut folded = Variables::new();
        for layer in layers {
            folded.extend(layer.clone());
        }
        folded
    }

    /// How many groups are around it, at most.
    fn depth(&self, name: &str) -> usize {
        let around = self.order.iter().filter(|other| *other != name);
        around
            .filter(|other| self.with_inner(other).contains(&name))
            .count()
    }

    /// A group and those in it, each once: groups may hold each other by mistake.
    fn with_inner<'g>(&'g self, group: &'g str) -> Vec<&'g str> {
        let mut found = vec![group];
        let mut next = 0;
        while let Some(name) = found.get(next).copied() {
            next += 1;
            let group = self.groups.get(name).into_iter();
            for child in group.flat_map(|group| &group.children) {
                if !found.contains(&child.as_str()) {
                    found.push(child);
                }
            }
        }
        found
    }
}

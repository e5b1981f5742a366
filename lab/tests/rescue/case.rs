//! What a case is: how a cluster is brought down, by what that shows, and what has to be asked for.

use anyhow::Result;

use crate::field::Field;

/// One way to bring a cluster down.
#[derive(Clone, Copy)]
pub struct Case {
    /// Stable, and unique.
    pub name: &'static str,
    /// Breaks it, and returns when processes know.
    pub breaks: fn(&Field<'_>) -> Result<()>,
    /// Proves that it is broken, and answers by what, in words.
    pub shows: fn(&Field<'_>) -> Result<String>,
    /// What the operator adds to `kubepki rescue --yes`.
    pub flags: &'static [&'static str],
    /// What has to be so in the end besides a cluster that works.
    pub ends: fn(&Field<'_>) -> Result<()>,
    /// Whether objects that carry CA certificates may have others in the end.
    pub authorities_change: bool,
    /// Whether it runs by default.
    pub by_default: bool,
}

/// A case whose objects in etcd all stay the same, byte by byte.
pub const fn broken(
    name: &'static str,
    breaks: fn(&Field<'_>) -> Result<()>,
    shows: fn(&Field<'_>) -> Result<String>,
) -> Case {
    Case {
        name,
        breaks,
        shows,
        flags: &[],
        ends: |_| Ok(()),
        authorities_change: false,
        by_default: false,
    }
}

impl Case {
    /// With more flags.
    pub const fn flags(mut self, flags: &'static [&'static str]) -> Self {
        self.flags = flags;
        self
    }

    /// Also asks this in the end.
    pub const fn ends(mut self, ends: fn(&Field<'_>) -> Result<()>) -> Self {
        self.ends = ends;
        self
    }

    /// Other CA certificates come of it.
    pub const fn authorities_change(mut self) -> Self {
        self.authorities_change = true;
        self
    }

    /// Runs without being asked for.
    pub const fn by_default(mut self) -> Self {
        self.by_default = true;
        self
    }
}

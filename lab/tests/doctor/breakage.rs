//! What a breakage is: how a host or its cluster is broken, and the one object that is to blame.

/// One way to break a healthy cluster.
#[derive(Clone, Copy)]
pub struct Breakage {
    /// Stable, and unique.
    pub name: &'static str,
    /// The host that is broken and looked at.
    pub host: &'static str,
    /// What breaks it: sh, with the words of `break.sh`.
    pub breaks: &'static str,
    /// What has to be so before the doctor comes: sh, asked until its exit status is 0.
    pub takes_hold: Option<&'static str>,
    /// What the doctor has to say, and nothing beside it: code and object, in which a `*` stands for a
    /// part that is not known beforehand. Empty: no alarm.
    pub guilty: &'static [(&'static str, &'static str)],
    /// Whether it is mere information, without an alarm.
    pub merely_told: bool,
    /// What takes back what is no file: sh.
    pub mends: Option<&'static str>,
    /// Whether the doctor is asked for this code as of half an hour later: it is none while young.
    pub later: bool,
    /// Whether the API can be asked meanwhile.
    pub api: bool,
}

/// A breakage of `cp1` that is undone by putting its files back.
pub const fn broken(
    name: &'static str,
    breaks: &'static str,
    guilty: &'static [(&'static str, &'static str)],
) -> Breakage {
    Breakage {
        name,
        host: "cp1",
        breaks,
        takes_hold: None,
        guilty,
        merely_told: false,
        mends: None,
        later: false,
        api: true,
    }
}

impl Breakage {
    /// On another host.
    pub const fn on(mut self, host: &'static str) -> Self {
        self.host = host;
        self.api = false;
        self
    }

    /// Is no alarm: it works, and people should know.
    pub const fn merely_told(mut self) -> Self {
        self.merely_told = true;
        self
    }

    /// Awaits a condition before the doctor comes.
    pub const fn takes_hold(mut self, condition: &'static str) -> Self {
        self.takes_hold = Some(condition);
        self
    }

    /// Is undone by a script, after the files were put back.
    pub const fn mended_by(mut self, script: &'static str) -> Self {
        self.mends = Some(script);
        self
    }

    /// Is judged as of half an hour later.
    pub const fn later(mut self) -> Self {
        self.later = true;
        self
    }

    /// The API cannot be asked, or not by admin.conf.
    pub const fn without_api(mut self) -> Self {
        self.api = false;
        self
    }
}

//! The table of cases: what is presented to whom, and what is expected of us. Whether Go expects
//! the same is asked of real programs in `path_real`, whether OpenSSL does in `path_openssl`.

use kubepki_x509::{
    Certificate,
    path::{self, CertificatePool, PathError, PathQuery, Purpose, ServerName, Uncached},
};

use crate::path_workshop::{Made, Profile, now};

/// Who presents the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// A server that is meant by this name.
    Server(String),
    Client,
}

pub struct Case {
    pub name: String,
    pub side: Side,
    pub leaf: Made,
    pub intermediates: Vec<Certificate>,
    pub roots: Vec<Certificate>,
    /// `valid`, or the code of the error.
    pub expected: &'static str,
}

impl Case {
    pub fn validate(&self) -> Result<path::CertificationPath, PathError> {
        let roots = CertificatePool::new(self.roots.iter().cloned());
        let (purpose, server_name) = match &self.side {
            Side::Client => (Purpose::ClientAuth, None),
            Side::Server(name) => (
                Purpose::ServerAuth,
                Some(name.parse::<ServerName>().unwrap()),
            ),
        };
        path::validate(&PathQuery {
            certificate: &self.leaf.certificate,
            intermediates: &self.intermediates,
            roots: &roots,
            now: now(),
            purpose,
            server_name: server_name.as_ref(),
            signatures: &Uncached,
        })
    }
}

/// What a case is about.
pub struct Chain {
    pub leaf: Made,
    pub intermediates: Vec<Made>,
    pub roots: Vec<Made>,
}

impl Chain {
    pub fn new(leaf: Made, intermediates: &[&Made], roots: &[&Made]) -> Self {
        let cloned = |made: &[&Made]| made.iter().map(|made| (*made).clone()).collect();
        Self {
            leaf,
            intermediates: cloned(intermediates),
            roots: cloned(roots),
        }
    }
}

/// Profiles with names of their own for each case, so that the roots of all cases can be trusted
/// by one server.
pub struct Names(String);

impl Names {
    pub fn ca(&self, name: &str) -> Profile {
        Profile::authority(&format!("{} {name}", self.0))
    }

    pub fn root(&self) -> Made {
        self.ca("root").self_signed()
    }

    pub fn leaf(&self) -> Profile {
        Profile::leaf(&format!("{} leaf", self.0))
    }
}

#[derive(Default)]
pub struct Table {
    pub cases: Vec<Case>,
}

impl Table {
    pub fn all() -> Self {
        let mut table = Self::default();
        crate::path_authorities::fill(&mut table);
        crate::path_limits::fill(&mut table);
        crate::path_names::fill(&mut table);
        crate::path_constraints::fill(&mut table);
        table
    }

    /// A case for a server named `server.test` and the same for a client.
    pub fn both(&mut self, name: &str, expected: &'static str, make: impl Fn(&Names) -> Chain) {
        self.server(name, expected, "server.test", &make);
        self.client(name, expected, make);
    }

    pub fn client(&mut self, name: &str, expected: &'static str, make: impl Fn(&Names) -> Chain) {
        self.add(name, expected, Side::Client, make);
    }

    pub fn server(
        &mut self,
        name: &str,
        expected: &'static str,
        asked: &str,
        make: impl Fn(&Names) -> Chain,
    ) {
        self.add(name, expected, Side::Server(asked.to_owned()), make);
    }

    fn add(
        &mut self,
        name: &str,
        expected: &'static str,
        side: Side,
        make: impl Fn(&Names) -> Chain,
    ) {
        let kind = if side == Side::Client {
            "client"
        } else {
            "server"
        };
        let name = format!("{kind}: {name}");
        assert!(
            !self.cases.iter().any(|case| case.name == name),
            "{name} twice"
        );
        let chain = make(&Names(format!("{}", self.cases.len())));
        let certificates =
            |made: &[Made]| made.iter().map(|made| made.certificate.clone()).collect();
        self.cases.push(Case {
            name,
            side,
            intermediates: certificates(&chain.intermediates),
            roots: certificates(&chain.roots),
            leaf: chain.leaf,
            expected,
        });
    }
}

//! A host in a folder, for tests that run the real binary with `--root`.
//!
//! Everything in it is made by the OpenSSL command line, so that what the product reads and what it
//! writes are judged by somebody else. Keys may outlive their test: see `prepared`.
//!
//! ```ignore
//! let tree = Tree::kubeadm().expired(30).build();
//! let renewed = tree.kubepki(&["renew", "all", "--yes"]);
//! assert_eq!(renewed.code, 0, "{renewed}");
//! tree.assert_sound();
//! ```

#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]

mod copy;
mod facts;
pub mod files;
mod issue;
mod kubeadm;
pub mod ledger;
pub mod points;
mod prepared;
mod tree;

pub use facts::{FileState, Snapshot};
pub use issue::{Issue, KeyKind, openssl};
pub use kubeadm::{Builder, LEAFS, Leaf, NODE};
pub use tree::{Output, Tree, at, base64, unbase64};

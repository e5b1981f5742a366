//! What lives in the Kubernetes API: the JSON of one object in, facts out.
//!
//! Nothing is asked here, and nothing judged: the engine brings the objects, `assess` and
//! `diagnose` make something of the facts. Of a private key only the public half is ever known, which
//! the caller brings ([`OpensKeys`]), since this room opens none. What cannot be read is a gap or an
//! entry's problem, and every size that somebody else chooses has a bound.

mod addresses;
mod backends;
mod collector;
mod config_maps;
mod contents;
mod exposed;
mod java_key_store;
mod list_stream;
mod nodes;
mod object;
mod opener;
mod placing;
mod requests;
mod secret_buffer;
mod secrets;

pub use addresses::{ServiceLeads, endpoint_addresses, service_leads};
pub use collector::{BackendService, Collector};
pub use java_key_store::{JavaKeyStore, JavaKeyStoreEntry, is_java_key_store};
pub use list_stream::{ListEnd, ListError, ListStream};
pub use opener::{OpenedKeyStore, OpensKeys};
pub use secret_buffer::SecretBuffer;
pub use secrets::SECRET_FIELD_SELECTOR;

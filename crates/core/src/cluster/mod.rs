//! What lives in the Kubernetes API: the JSON of one object in, facts out.
//!
//! Nothing is asked here, and nothing judged: the engine brings the objects, `assess` and
//! `diagnose` make something of the facts. Of a private key only the public half is ever known, which
//! the caller brings, since this room opens none.

mod list_stream;
mod secret_buffer;

pub use list_stream::{ListEnd, ListError, ListStream};
pub use secret_buffer::SecretBuffer;

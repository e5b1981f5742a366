//! Developer commands of kubepki.
fn main() {}

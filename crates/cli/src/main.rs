//! kubepki.
fn main() {}

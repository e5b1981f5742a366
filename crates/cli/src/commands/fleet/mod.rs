//! Verbs over many hosts: which they are, how they are reached, and what is done on them together.

pub mod document;

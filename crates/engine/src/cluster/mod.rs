//! The scan of a cluster's API: every kind of object that holds certificates, page by page.

mod scan;

pub use scan::{ScanOptions, scan};

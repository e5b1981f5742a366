//! Assessment: an inventory and a point in time in, judgements out.
//!
//! [`status`] makes the rows that people and machines read; [`checks`] holds the findings, one
//! function each; [`cluster`] does the same for what lives in the API; [`renewable`] says whether an entry can be renewed here, or why not.

pub mod checks;
pub mod cluster;
pub mod cluster_checks;
pub mod renewable;
pub mod status;
pub mod trust;

pub use checks::Thresholds;
pub use cluster::{ClusterStatus, assess_cluster};
pub use renewable::{NotRenewable, SigningAuthority, signing_authority};
pub use status::{AuthorityRow, CertificateRow, LayoutRow, ServiceAccountKeyRow, Status, assess};
pub use trust::trust_authority;

//! Services of a host: systemd units and docker containers.

/// A unit's state, as `systemctl show` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitState {
    /// `ActiveState`: `active`, `activating`, `failed`, `inactive`.
    pub active: String,
    /// `MainPID`, when one runs.
    pub main_pid: Option<u32>,
}

/// A service that could not be controlled.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {service}: {detail}")]
pub struct ServiceError {
    /// What was attempted.
    pub operation: &'static str,
    /// Unit or container.
    pub service: String,
    /// The service manager's words.
    pub detail: String,
}

/// Controls units and containers.
pub trait ServiceControl: Send + Sync {
    /// The unit's state; an unknown unit is an error.
    fn unit_state(&self, unit: &str) -> Result<UnitState, ServiceError>;

    /// Has the service manager read its units' files again, before one that changed is restarted.
    fn reload_units(&self) -> Result<(), ServiceError>;

    /// Restarts a unit, clearing a failed state and its start limit first.
    fn restart_unit(&self, unit: &str) -> Result<(), ServiceError>;

    /// Stops a unit, however it is set to be restarted; one that does not run stays so.
    fn stop_unit(&self, unit: &str) -> Result<(), ServiceError>;

    /// Starts a unit, clearing a failed state and its start limit first; one that runs stays so.
    fn start_unit(&self, unit: &str) -> Result<(), ServiceError>;

    /// The unit's last journal lines, oldest first.
    fn unit_log(&self, unit: &str, lines: usize) -> Result<Vec<String>, ServiceError>;

    /// Restarts a docker container by name or id.
    fn restart_docker(&self, container: &str) -> Result<(), ServiceError>;

    /// Stops a docker container by name or id; one that does not run stays so.
    fn stop_docker(&self, container: &str) -> Result<(), ServiceError>;

    /// Starts a docker container by name or id; one that runs stays so.
    fn start_docker(&self, container: &str) -> Result<(), ServiceError>;
}

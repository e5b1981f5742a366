//! Services and containers: what is done to them is counted and may be the last thing that happens.

use super::Faults;
use crate::ports::{
    Container, ContainerError, Containers, ServiceControl, ServiceError, UnitState,
};
use std::sync::Arc;

/// Passes everything on to another service control; restarts are counted.
pub struct FaultingServices<S> {
    inner: S,
    faults: Arc<Faults>,
}

impl<S> FaultingServices<S> {
    /// Decorates a service control.
    pub fn new(inner: S, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }

    fn effect(
        &self,
        operation: &'static str,
        service: &str,
        whole: &dyn Fn() -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let refusal = || ServiceError {
            operation,
            service: service.to_owned(),
            detail: "a fault was injected".to_owned(),
        };
        self.faults
            .effect(operation, &service, None, whole, &refusal)
    }
}

impl<S: ServiceControl> ServiceControl for FaultingServices<S> {
    fn unit_state(&self, unit: &str) -> Result<UnitState, ServiceError> {
        self.inner.unit_state(unit)
    }

    fn reload_units(&self) -> Result<(), ServiceError> {
        self.inner.reload_units()
    }

    fn restart_unit(&self, unit: &str) -> Result<(), ServiceError> {
        self.effect("restart", unit, &|| self.inner.restart_unit(unit))
    }

    fn stop_unit(&self, unit: &str) -> Result<(), ServiceError> {
        self.effect("stop", unit, &|| self.inner.stop_unit(unit))
    }

    fn start_unit(&self, unit: &str) -> Result<(), ServiceError> {
        self.effect("start", unit, &|| self.inner.start_unit(unit))
    }

    fn unit_log(&self, unit: &str, lines: usize) -> Result<Vec<String>, ServiceError> {
        self.inner.unit_log(unit, lines)
    }

    fn restart_docker(&self, container: &str) -> Result<(), ServiceError> {
        self.effect("restart", container, &|| {
            self.inner.restart_docker(container)
        })
    }

    fn stop_docker(&self, container: &str) -> Result<(), ServiceError> {
        self.effect("stop", container, &|| self.inner.stop_docker(container))
    }

    fn start_docker(&self, container: &str) -> Result<(), ServiceError> {
        self.effect("start", container, &|| self.inner.start_docker(container))
    }
}

/// Passes everything on to another container runtime; stops are counted.
pub struct FaultingContainers<C> {
    inner: C,
    faults: Arc<Faults>,
}

impl<C> FaultingContainers<C> {
    /// Decorates a container runtime.
    pub fn new(inner: C, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }
}

impl<C: Containers> Containers for FaultingContainers<C> {
    fn find(&self, name: &str) -> Result<Vec<Container>, ContainerError> {
        self.inner.find(name)
    }

    fn log(&self, id: &str, lines: usize) -> Result<Vec<String>, ContainerError> {
        self.inner.log(id, lines)
    }

    fn stop(&self, id: &str, grace_seconds: u32) -> Result<(), ContainerError> {
        let refusal = || ContainerError {
            operation: "stop",
            socket: id.to_owned(),
            detail: "a fault was injected".to_owned(),
        };
        self.faults.effect(
            "stop",
            &id,
            None,
            &|| self.inner.stop(id, grace_seconds),
            &refusal,
        )
    }
}

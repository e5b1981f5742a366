//! The `--config` files of kube-scheduler and kube-proxy: only which kubeconfig they name.
//! <https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/>

use super::yaml::{self, NodeRef, YamlError};

/// `clientConnection.kubeconfig` of a `KubeSchedulerConfiguration` or `KubeProxyConfiguration`.
pub fn kubeconfig_of(file: &[u8]) -> Result<Option<String>, YamlError> {
    let text = yaml::text_of(file)?;
    let documents = yaml::parse(text)?;
    let named = documents.iter().find_map(|document| {
        let path = document.root().at(&["clientConnection", "kubeconfig"])?;
        path.as_str()
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
    });
    Ok(named)
}

/// `metadata.name`, `kind` and `apiVersion` of the first document: what a file claims to be.
pub fn kind_of(file: &[u8]) -> Result<Option<String>, YamlError> {
    let text = yaml::text_of(file)?;
    let documents = yaml::parse(text)?;
    Ok(documents
        .first()
        .and_then(|document| document.root().get("kind"))
        .and_then(NodeRef::to_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubeconfig_of_a_scheduler_configuration_is_found() {
        let file = b"apiVersion: kubescheduler.config.k8s.io/v1beta1\nkind: KubeSchedulerConfiguration\nclientConnection:\n  kubeconfig: /etc/kubernetes/scheduler.conf\n";
        assert_eq!(
            kubeconfig_of(file).unwrap().as_deref(),
            Some("/etc/kubernetes/scheduler.conf")
        );
        assert_eq!(
            kind_of(file).unwrap().as_deref(),
            Some("KubeSchedulerConfiguration")
        );
        assert_eq!(
            kubeconfig_of(b"clientConnection: {kubeconfig: \"\"}").unwrap(),
            None
        );
        assert_eq!(kubeconfig_of(b"").unwrap(), None);
    }
}

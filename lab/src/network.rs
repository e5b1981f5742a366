//! The lab's network: a bridge, and a network namespace with one leg on it for each host.
//!
//! Names begin with the lab's name and the subnet is one that this machine does not use, so labs
//! do not meet each other or anything else.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::tool::Tool;

/// Where the clouds' metadata is asked for: no lab is in a cloud.
const CLOUD_METADATA: &str = "169.254.169.254/32";

/// A lab's bridge and subnet (a /24).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subnet {
    second: u8,
    third: u8,
}

impl Subnet {
    /// The address that ends in `last`.
    pub fn address(self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.second, self.third, last)
    }

    /// The bridge's own address, where the load balancer listens.
    pub fn bridge(self) -> Ipv4Addr {
        self.address(1)
    }

    fn parse(text: &str) -> Result<Self> {
        let parse = || {
            let (second, third) = text.trim().strip_prefix("10.")?.split_once('.')?;
            Some(Subnet {
                second: second.parse().ok()?,
                third: third.parse().ok()?,
            })
        };
        parse().with_context(|| format!("a lab's subnet is written as 10.X.Y, found {text:?}"))
    }

    /// The subnet that `folder` remembers, else `KUBEPKI_LAB_NET`, else the first free one; it is
    /// then remembered.
    pub fn choose(cache: &Cache, folder: &Path) -> Result<Self> {
        let remembered = folder.join("subnet");
        if let Ok(text) = fs_err::read_to_string(&remembered) {
            return Self::parse(&text);
        }
        let chosen = match std::env::var("KUBEPKI_LAB_NET") {
            Ok(named) => Self::parse(&named)?,
            Err(_) => {
                let _lock = cache.lock("subnet")?;
                let taken = addresses_and_routes()?;
                let others = remembered_by_others(cache)?;
                // 10.88 is the hosts' pods' and 10.96 to 10.111 their services'
                let candidates = (78..=87).map(|second| Subnet { second, third: 0 });
                first_free(candidates, &taken, &others)?
            }
        };
        fs_err::write(&remembered, chosen.to_string())?;
        Ok(chosen)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "10.{}.{}", self.second, self.third)
    }
}

fn first_free(
    mut candidates: impl Iterator<Item = Subnet>,
    taken: &str,
    others: &[Subnet],
) -> Result<Subnet> {
    let free = candidates.find(|subnet| {
        let used = taken
            .split(|c: char| c.is_whitespace() || c == '/')
            .any(|word| {
                // whatever is in the same /16 is too near
                word.starts_with(&format!("10.{}.", subnet.second))
            });
        !used && !others.contains(subnet)
    });
    free.context("every subnet from 10.78 to 10.87 is in use; name one with KUBEPKI_LAB_NET=10.X.Y")
}

fn addresses_and_routes() -> Result<String> {
    let addresses = Tool::new("ip").words("-4 -oneline address").run()?;
    let routes = Tool::new("ip").words("-4 route show table all").run()?;
    Ok(addresses + &routes)
}

fn remembered_by_others(cache: &Cache) -> Result<Vec<Subnet>> {
    let labs = cache.path("labs");
    let mut subnets = Vec::new();
    for entry in fs_err::read_dir(&labs)? {
        if let Ok(text) = fs_err::read_to_string(entry?.path().join("subnet")) {
            subnets.extend(Subnet::parse(&text).ok());
        }
    }
    Ok(subnets)
}

/// Makes the bridge, unless it is there.
pub fn bridge_up(bridge: &str, subnet: Subnet) -> Result<()> {
    if !link_exists(bridge)? {
        Tool::new("ip")
            .args(["link", "add", bridge, "type", "bridge"])
            .run()?;
    }
    let address = format!("{}/24", subnet.bridge());
    Tool::new("ip")
        .args(["address", "replace", &address, "dev", bridge])
        .run()?;
    Tool::new("ip").args(["link", "set", bridge, "up"]).run()?;
    Ok(())
}

/// Removes the bridge; nothing there is fine.
pub fn bridge_down(bridge: &str) -> Result<()> {
    if link_exists(bridge)? {
        Tool::new("ip").args(["link", "delete", bridge]).run()?;
    }
    Ok(())
}

/// Makes the network namespace `namespace`, whose `eth0` has `address` and whose other end,
/// `outer`, is on the bridge.
pub fn namespace_up(
    namespace: &str,
    outer: &str,
    bridge: &str,
    subnet: Subnet,
    address: Ipv4Addr,
) -> Result<()> {
    let ip = |words: &str| Tool::new("ip").words(words).run();
    ip(&format!("netns add {namespace}"))?;
    ip(&format!(
        "link add {outer} type veth peer name eth0 netns {namespace}"
    ))?;
    ip(&format!("link set {outer} master {bridge} up"))?;
    ip(&format!("-n {namespace} address add {address}/24 dev eth0"))?;
    ip(&format!("-n {namespace} link set eth0 up"))?;
    ip(&format!("-n {namespace} link set lo up"))?;
    ip(&format!(
        "-n {namespace} route add default via {}",
        subnet.bridge()
    ))?;
    // A kubelet looks for a cloud's credentials whenever it starts. Where nobody answers, and nobody
    // says that there is nobody, that takes 6 of its 12 seconds.
    ip(&format!(
        "-n {namespace} route add unreachable {CLOUD_METADATA}"
    ))?;
    Ok(())
}

/// Removes the namespace and the link into it; nothing there is fine.
pub fn namespace_down(namespace: &str, outer: &str) -> Result<()> {
    // the link goes with the namespace, but only once its last process is gone
    if link_exists(outer)? {
        Tool::new("ip").args(["link", "delete", outer]).run()?;
    }
    if Path::new("/run/netns").join(namespace).exists() {
        Tool::new("ip").args(["netns", "delete", namespace]).run()?;
    }
    Ok(())
}

fn link_exists(link: &str) -> Result<bool> {
    if link.len() > 15 {
        bail!("{link} is too long for the name of a network interface");
    }
    Ok(Path::new("/sys/class/net").join(link).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_subnet_that_nothing_is_near_is_chosen() {
        let candidates = || (78..=80).map(|second| Subnet { second, third: 0 });
        let taken = "2: eth0 inet 10.78.4.2/16\ndefault via 192.168.1.1\n110.79.0.0/24 dev x\n";
        let chosen = first_free(candidates(), taken, &[]).unwrap();
        assert_eq!(chosen.to_string(), "10.79.0");
        let chosen = first_free(candidates(), taken, &[chosen]).unwrap();
        assert_eq!(chosen.bridge().to_string(), "10.80.0.1");
        first_free(candidates().take(1), taken, &[]).unwrap_err();
    }

    #[test]
    fn a_subnet_is_read_as_written() {
        assert_eq!(Subnet::parse("10.81.7\n").unwrap().to_string(), "10.81.7");
        for wrong in ["", "10.81", "192.168.0", "10.81.0.0/24", "10.300.1"] {
            Subnet::parse(wrong).unwrap_err();
        }
    }
}

//! Scripts made into plans of hosts: for every phase of a whole rotation, held against what the script
//! does to a cluster of values.

#[cfg(test)]
#[path = "../connections/authority.rs"]
#[expect(dead_code, reason = "shared with the tests of connections")]
mod authority;
#[cfg(test)]
#[path = "../rotation_check/carry.rs"]
#[expect(dead_code, reason = "shared with the tests of the checker")]
mod carry;
#[cfg(test)]
#[path = "../rotation_check/field.rs"]
#[expect(dead_code, reason = "shared with the tests of the checker")]
mod field;
#[cfg(test)]
mod generations;
#[cfg(test)]
mod given;
#[cfg(test)]
#[path = "../connections/machine.rs"]
mod machine;
#[cfg(test)]
mod phases;
#[cfg(test)]
mod words;
#[cfg(test)]
#[path = "../connections/world.rs"]
#[expect(dead_code, reason = "shared with the tests of connections")]
mod world;

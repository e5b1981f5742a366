//! The checker of rotations: what was measured to work passes, what was measured to fail is caught.

#[cfg(test)]
#[path = "../connections/authority.rs"]
#[expect(dead_code, reason = "shared with the tests of connections")]
mod authority;
#[cfg(test)]
mod carry;
#[cfg(test)]
mod field;
#[cfg(test)]
#[path = "../connections/machine.rs"]
mod machine;
#[cfg(test)]
mod measured;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod offline;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod planned;
#[cfg(test)]
mod walk;
#[cfg(test)]
#[path = "../connections/world.rs"]
#[expect(dead_code, reason = "shared with the tests of connections")]
mod world;

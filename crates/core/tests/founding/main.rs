//! Founding: layouts that hold together or do not, and the lists that come of them.

#[cfg(test)]
mod layouts;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod support;

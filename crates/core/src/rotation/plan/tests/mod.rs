//! Tests of the planner, on pictures made by hand.

mod builder;
mod levels;
mod order;
mod properties;
mod refusals;
mod words;

//! Tests of the planner, on pictures made by hand.

mod builder;
mod levels;
mod marks;
mod order;
mod properties;
mod refusals;
mod words;

//! Everything of the load generator that is tested from outside, in one binary.

mod laws;
mod simulated;
mod tidy;

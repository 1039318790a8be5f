//! A run record as text.

pub mod figure;

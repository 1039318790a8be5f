//! The rules of the sales.

//! A run while it goes on, as one screen of a terminal.
//!
//! | file | what |
//! |---|---|
//! | `model` | what is known of the run so far; grows by events, within bounds |
//! | `draw` | the screen |
//! | `plan` | the line of phases and faults on it |
//!
//! Deliberately absent: terminals, threads and clocks. Whoever has those tells what happened and
//! asks for the screen.

mod draw;
mod model;
mod plan;

pub use draw::{Palette, draw};
pub use model::{Law, Live, Mark, Operation, Phase, Second};

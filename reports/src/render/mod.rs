//! A run record as text: for the terminal, and as one HTML file.
//!
//! Only words and pictures: whatever is judged was judged in `verdict`.

mod axis;
mod broken;
mod chart;
mod comparison;
mod fact;
pub mod figure;
mod html;
mod phrase;
mod screen;
mod table;
mod terminal;

pub use comparison::{comparison_html, comparison_terminal};
pub use html::html;
pub use terminal::{Style, terminal};

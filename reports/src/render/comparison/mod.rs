//! A comparison as text: for the terminal, and as one HTML file.
//!
//! `phrase` words it for both, `table` lays out what both show, `forest` is the picture.

mod forest;
mod page;
mod table;
mod terminal;
mod wording;

pub use page::comparison_html;
pub use terminal::comparison_terminal;

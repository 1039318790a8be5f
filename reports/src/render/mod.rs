//! A run record as text: for the terminal, as one HTML file, and for other programs.
//!
//! Only words and pictures: whatever is judged was judged in `verdict`.

mod axis;
mod broken;
mod chart;
mod comparison;
mod csv;
mod fact;
pub mod figure;
mod hgrm;
mod html;
mod judged;
mod junit;
mod phrase;
mod printable;
mod screen;
mod table;
mod terminal;
mod timeline;

pub use comparison::{comparison_html, comparison_terminal};
pub use csv::{CSV_VERSION, csv_header, csv_row};
pub use hgrm::hgrm;
pub use html::html;
pub use judged::{judged, judged_line, rejudged, rejudged_line};
pub use junit::junit;
pub use terminal::{Style, terminal};
pub use timeline::timeline;

//! A run record as text: for the terminal, as one HTML file, and for other programs.
//!
//! Only words and pictures: whatever is judged was judged in `verdict`.

mod axis;
mod chart;
mod checked;
mod comparison;
mod csv;
mod faults;
mod hgrm;
mod html;
mod junit;
pub mod number;
mod screen;
mod summary;
mod table;
mod terminal;
mod timeline;
mod wording;

pub use checked::{checked, checked_line, rechecked, rechecked_line};
pub use comparison::{comparison_html, comparison_terminal};
pub use csv::{CSV_VERSION, csv_header, csv_row};
pub use hgrm::hgrm;
pub use html::html;
pub use junit::junit;
pub use terminal::{Style, terminal};
pub use timeline::timeline;

use crate::printable::printable_lines;

/// A page as text. Templates escape what HTML would take for its own; what a reader would not see is
/// shown here.
fn page(template: &impl askama::Template) -> String {
    let text = template
        .render()
        .expect("the template is checked when it is compiled and is written to memory");
    printable_lines(&text).into_owned()
}

//! A run record as text: for the terminal, and as one HTML file.
//!
//! Only words and pictures: whatever is judged was judged in `verdict`.

mod axis;
mod broken;
mod chart;
mod fact;
pub mod figure;
mod html;
mod judged;
mod phrase;
mod screen;
mod table;
mod terminal;
mod timeline;

pub use html::html;
pub use judged::{judged, judged_line, rejudged, rejudged_line};
pub use terminal::{Style, terminal};
pub use timeline::timeline;

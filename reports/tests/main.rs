//! The reports from outside: fixed records go in, what people and programs read is looked at.

mod caution;
mod compare;
mod files;
mod html;
mod live;
mod read;
mod sample;
mod terminal;
mod verdict;

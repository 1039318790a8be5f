//! The server as its clients meet it: real sockets, real files, one binary.
//!
//! Each module is one concern; `support` starts servers and speaks the wire format. Nothing here
//! sleeps or knows a port: every wait is for something to arrive.

mod classic;
mod clocks;
mod damage;
mod delivery;
mod floods;
mod happy;
mod health;
mod hostile;
mod lines;
mod log;
mod lost;
mod mixtures;
mod one_thread;
mod promises;
mod restart;
mod support;
mod tidy;
mod tokens;
mod unsynced;

//! The laws against recorded and random histories: what is right is acquitted, what is wrong is
//! convicted by the law that is meant for it.

mod histories;
mod linearizability;
mod planted;
mod reference;
mod run;
mod talk;
mod trade;
mod withheld;

//! A file a command of the program. Parsed arguments go in; one library call is made; an exit code comes
//! out.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod describe;
pub(crate) mod inspect;
pub(crate) mod prove;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod snapshot;
pub(crate) mod target;

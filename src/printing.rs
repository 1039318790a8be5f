//! What every command that prints for a person or a pipe has in common.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use reports::render::Style;

/// Columns of a summary: what fits everywhere, a terminal's own width being nothing to rely on.
const WIDTH: usize = 100;

/// How to write on the standard output: in colour on a terminal, unless `NO_COLOR` is set.
pub(crate) fn style() -> Style {
    let wants_none = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style {
        color: io::stdout().is_terminal() && !wants_none,
        width: WIDTH,
    }
}

/// Prints on the standard output. Whoever reads may have seen enough: `| head` is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

//! What every command that prints for a person or a pipe has in common.

use std::{
    env,
    io::{self, IsTerminal, StdoutLock, Write},
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

/// The standard output, whose reader may have seen enough: `| head` is no error, and what was found
/// out is told by the exit code all the same.
pub(crate) fn out() -> impl Write {
    Out(io::stdout().lock())
}

struct Out(StdoutLock<'static>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

/// Prints on the standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = out();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

//! What every command that prints for a person or a pipe has in common.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, IsTerminal, StdoutLock, Write},
    os::unix::fs::MetadataExt as _,
};

use reports::render::Style;
use rustix::fs::{OFlags, fcntl_getfl, fstat};

/// Columns of a summary: what fits everywhere, a terminal's own width being nothing to rely on.
const WIDTH: usize = 100;

/// How to write on the standard output.
pub(crate) fn style() -> Style {
    Style {
        color: wants_color(&io::stdout()),
        width: WIDTH,
    }
}

/// Whether to write in colour there: on a terminal that can, unless `NO_COLOR` is set.
pub(crate) fn wants_color(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && is_colorful(|name| env::var_os(name))
}

/// What the environment says of colours, whatever is written to.
pub(crate) fn allows_color() -> bool {
    is_colorful(|name| env::var_os(name))
}

/// Whether a terminal, if there is one, does more than print line below line.
pub(crate) fn has_capable_terminal() -> bool {
    is_capable(env::var_os("TERM"))
}

fn is_colorful(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let wants_none = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    !wants_none && is_capable(variable("TERM"))
}

fn is_capable(term: Option<OsString>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
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

/// The standard output, of a command whose whole purpose is what it writes there.
///
/// # Errors
/// If it is closed (`>&-`).
pub(crate) fn product() -> io::Result<StdoutLock<'static>> {
    if is_closed()? {
        return Err(io::Error::other(
            "the standard output is closed (or the null device, opened for reading and writing): there is nowhere to write to; redirect it to a file or a pipe",
        ));
    }
    Ok(io::stdout().lock())
}

/// Before this program begins, its runtime opens the null device where a standard stream is closed, for
/// reading and writing. A shell that throws output away opens it for writing alone. Some other programs
/// do not, so this is asked only where nothing is lost by refusing them.
fn is_closed() -> io::Result<bool> {
    let out = io::stdout();
    let is_null = fstat(&out)?.st_rdev == fs::metadata("/dev/null")?.rdev();
    let mode = fcntl_getfl(&out)? & OFlags::RWMODE;
    Ok(is_null && mode == OFlags::RDWR)
}

/// Prints on the standard output what a command is there to print.
pub(crate) fn print_product(text: &str) -> io::Result<()> {
    let _open = product()?;
    print(text)
}

/// Prints on the standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = out();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_can_and_for_who_wants_them() {
        let colorful = |term: Option<&str>, no_color: Option<&str>| {
            is_colorful(|name| {
                let value = if name == "TERM" { term } else { no_color };
                value.map(OsString::from)
            })
        };
        assert!(colorful(Some("xterm-256color"), None));
        assert!(colorful(Some("screen"), Some("")), "empty is not set");
        for (term, no_color) in [
            (Some("dumb"), None),
            (Some(""), None),
            (None, None),
            (Some("xterm"), Some("1")),
        ] {
            assert!(!colorful(term, no_color), "{term:?} {no_color:?}");
        }
    }
}

//! Command lines that are printed to be pasted into a shell.
//!
//! Words go in as they are, paths of any bytes too; text comes out that any POSIX shell takes for
//! exactly these words, and a terminal shows without being steered by it. Deliberately absent: running
//! anything.

use std::{ffi::OsStr, fmt::Write as _, os::unix::ffi::OsStrExt as _};

use reports::printable::is_hidden;

/// A word as a shell must be given it.
pub(crate) fn quoted(word: impl AsRef<OsStr>) -> String {
    let bytes = word.as_ref().as_bytes();
    if !bytes.is_empty() && bytes.iter().all(|byte| is_plain(*byte)) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut quoted = String::new();
    for chunk in bytes.utf8_chunks() {
        quote_text(&mut quoted, chunk.valid());
        quote_bytes(&mut quoted, chunk.invalid());
    }
    if quoted.is_empty() {
        quoted.push_str("''");
    }
    quoted
}

/// Several words, with what stands between them.
pub(crate) fn line<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> String {
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    words.join(" ")
}

/// What no shell makes anything of. A `~` or a `=` it may, where they stand.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'/' | b'.' | b'_' | b'-' | b':' | b',' | b'+' | b'@' | b'%'
        )
}

/// In single quotes, but for single quotes and for what a terminal would obey.
fn quote_text(quoted: &mut String, text: &str) {
    let is_quotable = |c: char| c != '\'' && !is_steering(c);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = if is_quotable(first) {
            rest.find(|c| !is_quotable(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (part, behind) = rest.split_at(len);
        match first {
            '\'' => quoted.push_str("\\'"),
            _ if is_quotable(first) => {
                quoted.push('\'');
                quoted.push_str(part);
                quoted.push('\'');
            }
            _ => quote_bytes(quoted, part.as_bytes()),
        }
        rest = behind;
    }
}

/// Whether a terminal does something else with it than to show it: controls, and what turns the
/// direction of text. A line's end stays: the substitution that spells the others would drop it.
fn is_steering(c: char) -> bool {
    c != '\n' && is_hidden(c)
}

/// Spelt out, for what is no text.
fn quote_bytes(quoted: &mut String, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    quoted.push_str("\"$(printf '");
    for byte in bytes {
        write!(quoted, "\\{byte:03o}").expect("a string takes everything");
    }
    quoted.push_str("')\"");
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, process::Command};

    use super::*;

    /// What a shell makes of a line: its words.
    fn words(line: &str) -> Vec<OsString> {
        let script = format!("printf '%s\\0' {line}");
        let output = Command::new("sh").args(["-c", &script]).output();
        let output = output.expect("there is a shell");
        assert!(output.status.success(), "{line}: {output:?}");
        let words = output.stdout.split(|byte| *byte == 0);
        let mut words: Vec<_> = words
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect();
        assert_eq!(words.pop(), Some(OsString::new()), "each ends with a NUL");
        words
    }

    #[track_caller]
    fn check(given: &[&[u8]]) {
        let given: Vec<OsString> = given
            .iter()
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect();
        let line = line(&given);
        assert_eq!(words(&line), given, "{line}");
        assert!(!line.chars().any(is_steering), "{line:?}");
    }

    #[test]
    fn what_is_plain_stays_as_it_is() {
        assert_eq!(
            line(["runs/x-1.toml", "--seed", "7"]),
            "runs/x-1.toml --seed 7"
        );
        assert_eq!(quoted("my runs"), "'my runs'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_shell_takes_a_line_for_the_words_it_was_made_of() {
        check(&[
            b"a;id>pwned1;b.toml",
            b"$(id>pwned3).toml",
            b"`id`",
            b"x' ;id>pwned2; '.toml",
        ]);
        check(&[
            b"",
            b" ",
            b"\n",
            b"a\n",
            b"\n\n\\",
            b"~",
            b"~root",
            b"a=b",
            b"#c",
            b"!!",
            b"*?[a]{b,c}",
        ]);
        check(&[
            b"caf\xe9",
            b"e\xff",
            b"\xff\n",
            b"\x1b[2Jx",
            "caf\u{e9}".as_bytes(),
            "\u{202e}x".as_bytes(),
        ]);
        check(&[
            b"-n",
            b"--",
            b"\"$HOME\"",
            b"\\",
            b"'",
            b"''",
            b"\t\r\x07\x7f",
            b"&|<>()",
        ]);
    }

    #[test]
    fn a_shell_takes_any_bytes_for_themselves() {
        // Every pair of the bytes that mean something, between two that do not.
        let odd = b" '\"\\$`;&|<>()*?[]{}!#~=%\n\t\x1b\xff\xc3\xa9";
        let all: Vec<Vec<u8>> = odd
            .iter()
            .flat_map(|one| odd.iter().map(move |other| vec![b'a', *one, *other, b'z']))
            .collect();
        let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        check(&all);
        let every: Vec<u8> = (1..=255).collect();
        check(&[&every]);
    }
}

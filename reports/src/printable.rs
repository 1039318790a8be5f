//! Text of anybody's on its way to a terminal or a page.
//!
//! Names, messages, arguments and descriptions go in; the same comes out, with every character that
//! steers a terminal, turns the direction of a line, or is not seen at all written as `\u` and its number
//! in four hex digits, as JSON writes it: so JSON that is made printable still says the same. Everything
//! else, in whichever script, stays as it is. Deliberately absent: look-alikes.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

/// What a colour begins with.
const ESCAPE: u8 = 0x1b;

/// Whether a character does something to its reader that it does not show.
#[must_use]
pub const fn is_hidden(sign: char) -> bool {
    matches!(
        sign,
        // Controls: C0, DEL, C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Of no width: soft hyphen, joiners, marks of direction, invisible operators.
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2065}' | '\u{feff}'
        // Ends of lines and paragraphs; embeddings, overrides and isolates of direction.
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        // Annotations and tags.
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// `text` on one line.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, is_hidden)
}

/// `text` with its line ends and tabs.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escape(text, |sign| is_hidden(sign) && !matches!(sign, '\n' | '\t'))
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        if is_escaped(sign) {
            for unit in sign.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("a string takes everything");
            }
        } else {
            escaped.push(sign);
        }
    }
    Cow::Owned(escaped)
}

/// Writes lines on, made printable. What is written at once must be whole characters, as everything is
/// that is formatted; other bytes pass as they are.
#[derive(Debug)]
pub struct PrintableWriter<W>(pub W);

impl<W: Write> Write for PrintableWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for chunk in bytes.utf8_chunks() {
            self.0
                .write_all(printable_lines(chunk.valid()).as_bytes())?;
            self.0.write_all(chunk.invalid())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The same for lines that are coloured already, by who writes out the escapes in what it is given: escapes
/// pass, and everything else that is not seen is made printable.
#[derive(Debug)]
pub struct ColouredWriter<W>(pub W);

impl<W: Write> Write for ColouredWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for (nth, part) in bytes.split(|byte| *byte == ESCAPE).enumerate() {
            if 0 < nth {
                self.0.write_all(&[ESCAPE])?;
            }
            PrintableWriter(&mut self.0).write_all(part)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What steers terminals, turns lines round, and is not seen.
    const HIDDEN: [char; 14] = [
        '\u{1b}',
        '\r',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{9d}',
        '\u{200b}',
        '\u{200f}',
        '\u{2028}',
        '\u{202e}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{e0041}',
    ];

    #[test]
    fn what_is_not_seen_is_shown_by_its_number() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c"), r"a\u001b[31mb\u202ec");
        assert_eq!(printable("\u{e0041}"), r"\udb40\udc41");
        for sign in HIDDEN {
            let text = format!("a{sign}b");
            for shown in [printable(&text), printable_lines(&text)] {
                assert!(
                    !shown.contains(sign) && !shown.contains(is_hidden),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in [
            "",
            "plain",
            "zwölf Boxkämpfer",
            "日本語",
            "שלום",
            "مرحبا",
            "❤️ 🎉",
            "\\u001b",
        ] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(printable_lines("a\n\tb"), "a\n\tb");
        assert_eq!(printable("a\n\tb"), r"a\u000a\u0009b");
    }

    #[test]
    fn colours_pass_where_something_else_saw_to_escapes() {
        let mut out = ColouredWriter(Vec::new());
        out.write_all("\u{1b}[33mWARN\u{1b}[0m a\u{9b}b\u{202e}\n".as_bytes())
            .expect("memory takes everything");
        let shown = String::from_utf8(out.0).expect("it is text");
        assert_eq!(shown, "\u{1b}[33mWARN\u{1b}[0m a\\u009bb\\u202e\n");
    }

    #[test]
    fn json_that_is_made_printable_says_the_same() {
        let text: String = HIDDEN.into_iter().chain("\"\\ä\n".chars()).collect();
        let mut out = PrintableWriter(Vec::new());
        serde_json::to_writer(&mut out, &[&text]).expect("text is JSON");
        let shown = String::from_utf8(out.0).expect("it is text");
        assert!(!shown.contains(is_hidden), "{shown}");
        let read: [String; 1] = serde_json::from_str(&shown).expect("it is JSON still");
        assert_eq!(read, [text]);
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        let mut out = PrintableWriter(Vec::new());
        out.write_all(b"a\x1b\xff\xfeb")
            .expect("memory takes everything");
        assert_eq!(out.0, b"a\\u001b\xff\xfeb");
    }
}

//! What the sources and the README must say, read as text.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{SETS, path, read};
use crate::limits::{
    HISTORY_LEN_MAX, IN_FLIGHT_MAX, MAGIC, NAME_LEN_MAX, NAME_LEN_MIN, PAGE_LEN_MAX,
    PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, REPLY_BYTES_MAX, REPLY_LINE_BYTES_MAX,
    REQUEST_BYTES_MAX, REQUEST_LINE_BYTES_MAX, TEXT_BYTES_MAX, TRAIL_LEN_MAX, WIRE_VERSION,
};

/// Every Rust file under a folder, without tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("tests") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn only_the_codec_names_bincode() {
    let naming: Vec<PathBuf> = sources(&path("src"))
        .into_iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains("bincode"))
        .collect();
    assert_eq!(naming, [path("src/codec.rs")]);
}

#[test]
fn every_list_of_a_word_grows_as_it_arrives() {
    let mut lists = 0;
    for file in sources(&path("src/words"))
        .into_iter()
        .chain([path("src/record.rs")])
    {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines
            .windows(2)
            .filter(|pair| pair[1].contains(": Vec<") && pair[1].starts_with("pub "))
        {
            let reads_bounded = [
                "#[serde(deserialize_with = \"crate::codec::list\")]",
                "#[serde(with = \"crate::hex::list\")]",
            ]
            .contains(&pair[0]);
            assert!(reads_bounded, "{}: {}", file.display(), pair[1]);
            lists += 1;
        }
    }
    assert!(20 < lists, "the lists are found");
}

#[test]
fn the_readme_lists_every_word() {
    let readme = read("README.md");
    for set in SETS {
        let heading = match set.name.split_once('/') {
            Some((_, "command")) => "### Commands",
            Some((_, "event")) => "### Events",
            Some((_, "query")) => "### Queries",
            Some((_, "answer")) => "### Answers",
            Some((_, "push")) => "### Pushes",
            Some((_, "signal")) => "### Signals",
            Some((_, "news")) => "### News",
            other => panic!("{other:?} has no table"),
        };
        let (_, after) = readme.split_once(heading).unwrap();
        let table = after.split("\n##").next().unwrap();
        for (kind, name) in set.words {
            let row = format!("| `0x{:04x}` | `{name}` |", kind.0);
            assert!(table.contains(&row), "{heading}: {row}");
        }
    }
}

#[test]
fn the_readme_states_the_limits() {
    let readme = read("README.md");
    let magic: Vec<String> = MAGIC.iter().map(|byte| format!("{byte:02x}")).collect();
    for sentence in [
        format!("Wire version **{WIRE_VERSION}**."),
        format!("magic | `{}`", magic.join(" ")),
        format!("at most {REQUEST_BYTES_MAX} from a client"),
        format!("at most {REPLY_BYTES_MAX} from\nthe server"),
        format!("| frame from a client, without prefix | {REQUEST_BYTES_MAX} bytes |"),
        format!("| frame from the server, without prefix | {REPLY_BYTES_MAX} bytes |"),
        format!("after a line of more than {REQUEST_LINE_BYTES_MAX} bytes"),
        format!("A line from the server has at most {REPLY_LINE_BYTES_MAX} bytes"),
        format!("| unanswered requests on a connection | {IN_FLIGHT_MAX} |"),
        format!("| entries of a page | {PAGE_LEN_MAX} |"),
        format!("| entries of a page of a trail | {TRAIL_LEN_MAX} |"),
        format!("| entries of a page of a conversation | {HISTORY_LEN_MAX} |"),
        format!("| text of a message | 1 to {TEXT_BYTES_MAX} bytes |"),
        format!("| name of a person | {NAME_LEN_MIN} to {NAME_LEN_MAX} characters |"),
        format!("| password | {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes |"),
    ] {
        let spaced = sentence.replace('\n', " ");
        assert!(readme.replace('\n', " ").contains(&spaced), "{spaced}");
    }
}

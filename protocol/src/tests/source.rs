//! What the sources and the README must say, read as text.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{path, read};
use crate::limits::{
    MAGIC, REPLY_BYTES_MAX, REPLY_LINE_BYTES_MAX, REQUEST_BYTES_MAX, REQUEST_LINE_BYTES_MAX,
    WIRE_VERSION,
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
fn the_readme_says_the_same_numbers_in_its_prose() {
    let readme = read("README.md");
    let magic: Vec<String> = MAGIC.iter().map(|byte| format!("{byte:02x}")).collect();
    for sentence in [
        format!("Wire version **{WIRE_VERSION}**."),
        format!("magic | `{}`", magic.join(" ")),
        format!("at most {REQUEST_BYTES_MAX} from a client"),
        format!("at most {REPLY_BYTES_MAX} from\nthe server"),
        format!("after a line of more than {REQUEST_LINE_BYTES_MAX} bytes"),
        format!("A line from the server has at most {REPLY_LINE_BYTES_MAX} bytes"),
    ] {
        let spaced = sentence.replace('\n', " ");
        assert!(readme.replace('\n', " ").contains(&spaced), "{spaced}");
    }
}

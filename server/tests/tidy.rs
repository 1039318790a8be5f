//! The rules of the house, read off the files.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Files that are told everything: no clock, no thread, no socket, no chance, no database.
const PURE: [&str; 15] = [
    "loadgen/src/check",
    "protocol/src",
    "server/src/domain",
    "server/src/engine",
    "server/src/session",
    "server/src/line",
    "server/src/keys",
    "server/src/audit.rs",
    "server/src/feed.rs",
    "server/src/presence.rs",
    "server/src/time_base.rs",
    "server/src/fair.rs",
    "server/src/auth.rs",
    "server/src/complaints.rs",
    "server/src/hub",
];

/// Rooms of ours that are not: whoever names them could read a clock through them, or wait.
const SHELLS: [&str; 5] = ["clock::", "net::", "serve::", "writer::", "hashing::"];

const FORBIDDEN: [&str; 15] = [
    "tokio",
    "std::net",
    "thread::",
    "fs::",
    "File::open",
    "File::create",
    "OpenOptions",
    "tempfile",
    "RealDisk",
    "SystemTime",
    "Instant",
    "rand::",
    "getrandom",
    "rustix",
    "rusqlite",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a crate of a workspace")
        .to_owned()
}

/// Every Rust file under `path`, or the file itself.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        return if is_rust {
            vec![path.to_owned()]
        } else {
            Vec::new()
        };
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable directory").path())
        // What cargo builds, wherever it was told to: a room of ours may be called `target` as well.
        .filter(|path| !path.join("CACHEDIR.TAG").exists())
        .flat_map(|path| sources(&path))
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether it holds tests alone, which may use what they test with.
fn is_test(path: &Path) -> bool {
    let path = path.to_string_lossy();
    ["/tests/", "tests.rs", "flips.rs", "contract.rs", "cuts.rs"]
        .iter()
        .any(|part| path.contains(part))
}

/// The code of a file: comments may talk of what the code does not do.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn pure_rooms_name_nothing_of_the_outside() {
    let mut offences = Vec::new();
    for room in PURE {
        let files = sources(&root().join(room));
        assert!(!files.is_empty(), "{room} is gone; name its new place here");
        for file in files.iter().filter(|file| !is_test(file)) {
            let code = code(&read(file));
            let words = SHELLS.iter().chain(&FORBIDDEN);
            for word in words.filter(|word| code.contains(**word)) {
                offences.push(format!("{} names {word}", file.display()));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// Files that keep something beside the log: whatever they do to a file, they do through `disk`.
const ON_A_DISK: [&str; 8] = [
    "server/src/log",
    "server/src/snapshot",
    "server/src/backup",
    "server/src/belonging.rs",
    "server/src/secret.rs",
    "server/src/modes.rs",
    "server/src/admin.rs",
    "server/src/spill_file.rs",
];

/// What opens, moves or removes a file.
const OPENS: [&str; 7] = [
    "fs::File",
    "OpenOptions",
    "fs::read",
    "fs::write",
    "fs::remove",
    "tempfile",
    "flock",
];

#[test]
fn one_seam_opens_files() {
    let mut offences = Vec::new();
    for room in ON_A_DISK {
        let files = sources(&root().join(room));
        assert!(!files.is_empty(), "{room} is gone; name its new place here");
        for file in files {
            // Making a data directory comes before there is a disk.
            let makes_it = file.ends_with("log/database.rs");
            if is_test(&file) || makes_it {
                continue;
            }
            let code = code(&read(&file));
            let code = code
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap_or_default();
            for word in OPENS.iter().filter(|word| code.contains(**word)) {
                offences.push(format!("{} names {word}", file.display()));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// What the laws judge they are told: they name nothing that asks, measures, breaks or plans.
#[test]
fn laws_name_no_part_of_the_generator() {
    const PARTS: [&str; 7] = [
        "driver::",
        "target::",
        "pacer::",
        "fault::",
        "recorder::",
        "plan::",
        "scenario::",
    ];
    let files = sources(&root().join("loadgen/src/check"));
    let named = files.iter().flat_map(|file| {
        let code = code(&read(file));
        let parts = PARTS.iter().filter(move |part| code.contains(**part));
        parts.map(|part| format!("{} names {part}", file.display()))
    });
    let named: Vec<String> = named.collect();
    assert!(40 < files.len(), "where are the laws?");
    assert!(named.is_empty(), "{}", named.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let rooms = ["src", "protocol", "server", "client", "loadgen", "reports"];
    let files: Vec<PathBuf> = rooms
        .iter()
        .flat_map(|room| sources(&root().join(room)))
        .collect();
    assert!(40 < files.len(), "where are the sources?");
    let headless: Vec<String> = files
        .iter()
        .filter(|file| !read(file).starts_with("//! "))
        .map(|file| file.display().to_string())
        .collect();
    assert!(headless.is_empty(), "{}", headless.join("\n"));
}

#[test]
fn crates_know_only_those_below_them() {
    let check = |name: &str, strangers: &[&str]| {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        for stranger in strangers {
            let is_named = manifest.lines().any(|line| {
                let words = line.split(['.', ' ', '=']).next();
                words == Some(stranger)
            });
            assert!(!is_named, "{name} names {stranger}");
        }
    };
    check(
        "protocol",
        &[
            "server", "client", "loadgen", "reports", "stampede", "tokio", "rusqlite",
        ],
    );
    check("reports", &["server", "loadgen", "stampede", "tokio"]);
    check("client", &["server", "loadgen", "reports", "stampede"]);
    check("server", &["client", "loadgen", "reports", "stampede"]);
    check("loadgen", &["server", "stampede"]);
}

#[test]
fn one_file_names_bincode() {
    let naming: Vec<PathBuf> = [
        "src",
        "protocol/src",
        "server/src",
        "client/src",
        "loadgen/src",
        "reports/src",
    ]
    .iter()
    .flat_map(|room| sources(&root().join(room)))
    .filter(|file| code(&read(file)).contains("bincode::"))
    .collect();
    assert_eq!(naming, [root().join("protocol/src/codec.rs")]);
}

//! What is told the time is told everything: read off the files.
//!
//! Rooms that a simulator runs must not reach a clock, chance, a file, a socket or a thread, neither by
//! themselves nor through our own functions. So each of them may name the standard library, other crates
//! and this one only as far as that is known to be pure: a module of ours is if it stands in the same
//! list, and of the others single values are. What nobody listed is refused, so that a new use is looked
//! at. Deliberately absent: what other crates do inside.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A crate and its modules that are told everything.
struct Pure {
    sources: &'static str,
    modules: &'static [&'static str],
    /// Values of modules that do more.
    values: &'static [&'static str],
}

const PURE: [Pure; 3] = [
    Pure {
        sources: "loadgen/src",
        modules: &[
            "arrival",
            "client",
            "client_memory",
            "contention",
            "deliveries",
            "driver::core",
            "heatmap",
            "id_map",
            "operation",
            "plan",
            "recorder",
            "set_up",
            "shown",
            "wire",
        ],
        values: &[
            "fault::NetworkFault",
            "fault::Way",
            "scenario::ActionSpec",
            "scenario::FaultSpec",
            "scenario::FlowSpec",
            "scenario::PickSpec",
            "scenario::PlaceSpec",
            "scenario::Scenario",
            "scenario::ScenarioError",
            "scenario::SelectSpec",
            "scenario::StepSpec",
            "scenario::When",
        ],
    },
    Pure {
        sources: "client/src",
        modules: &["backoff", "conversation", "unanswered"],
        values: &["BACKOFF_FIRST", "Nanos"],
    },
    Pure {
        sources: "protocol/src",
        modules: &[
            "code", "codec", "describe", "frame", "hex", "id", "json", "limits", "message",
            "outcome", "personal", "record", "words",
        ],
        values: &[],
    },
];

/// Names of the outside, wherever they come from.
const FORBIDDEN: [&str; 16] = [
    "tokio",
    "rustix",
    "tempfile",
    "SystemTime",
    "Instant",
    "Clock",
    "File",
    "TcpStream",
    "UdpSocket",
    "OsRng",
    "SysRng",
    "ThreadRng",
    "thread_rng",
    "from_os_rng",
    "make_rng",
    "RandomState",
];

/// Paths of the outside.
const FORBIDDEN_PATHS: [&str; 11] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "std::os",
    "rand::rng",
    "rand::random",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "Scenario::load",
];

/// Of the crate `client`, what is a value.
const CLIENT_VALUES: [&str; 7] = [
    "Answered",
    "Broken",
    "Conversation",
    "Event",
    "OnBusy",
    "Session",
    "Word",
];

#[test]
fn rooms_that_are_told_the_time_reach_nothing_of_the_outside() {
    let mut offences = Vec::new();
    for pure in &PURE {
        for module in pure.modules {
            let room = root().join(pure.sources).join(module.replace("::", "/"));
            for (file, depth) in sources(&room) {
                let text = fs::read_to_string(&file)
                    .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                let code = code(&text);
                let shown = file.strip_prefix(root()).unwrap().display().to_string();
                let found = offences_of(&code, depth, pure);
                offences.extend(found.into_iter().map(|name| format!("{shown}: {name}")));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn a_way_to_the_outside_is_found_however_it_is_written() {
    let pure = Pure {
        sources: "",
        modules: &["plan", "driver::core"],
        values: &["fault::NetworkFault"],
    };
    let found = |text: &str| offences_of(&code(text), 1, &pure);
    for outside in [
        "use std::{fmt, fs, mem};",
        "let now = std::time::Instant::now();",
        "use std::{\n    collections::BTreeMap,\n    time::{Duration, SystemTime},\n};",
        "let at = crate::clock::wall_ms();",
        "use crate::{\n    clock::thread_cpu,\n    plan::Plan,\n};",
        "use crate::fault::{NetworkFault, Proxy};",
        "use crate::driver::{core::Stage, drive};",
        "super::super::wait()",
        "tokio::spawn(work)",
        "let mut random = rand::rng();",
        "use ::client::{Session, Handle};",
    ] {
        assert_eq!(found(outside).len(), 1, "{outside}: {:?}", found(outside));
    }
    for pure in [
        "use std::{fmt, time::Duration}; // no std::fs here",
        "use crate::{fault::NetworkFault, plan::{Plan, World}};",
        "use crate::driver::core::Stage;",
        "use super::Core;",
        "use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};",
        "use ::client::Session;",
        "use crate::plan as drawn;",
        "#[cfg(test)]\nmod tests {\n    use std::fs;\n}",
    ] {
        assert_eq!(found(pure), Vec::<String>::new(), "{pure}");
    }
}

/// Every path in the code that is not known to be pure. The file stands so deep in its room.
fn offences_of(code: &str, depth: usize, pure: &Pure) -> Vec<String> {
    let has_inner = (code.lines()).any(|line| line.contains("mod ") && line.ends_with('{'));
    let depth = depth + usize::from(has_inner);
    let is_foul = |path: &&String| {
        let names: Vec<&str> = path.split("::").collect();
        let is_forbidden = names.iter().any(|name| FORBIDDEN.contains(name))
            || FORBIDDEN_PATHS
                .iter()
                .any(|outside| is_within(path, outside));
        let up = names.iter().take_while(|name| **name == "super").count();
        let climbs = if up < names.len() { up } else { 0 }; // `pub(super)` names nothing
        let of_ours = path.strip_prefix("crate::").is_some_and(|path| {
            let mut known = pure.modules.iter().chain(pure.values);
            !known.any(|known| is_within(path, known))
        });
        let of_client = match names.as_slice() {
            ["client", value, ..] => !CLIENT_VALUES.contains(value),
            _other => false,
        };
        is_forbidden || depth < climbs || of_ours || of_client
    };
    paths(code).iter().filter(is_foul).cloned().collect()
}

/// Whether a path is this one, or leads on from it.
fn is_within(path: &str, start: &str) -> bool {
    path.strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every path in the code, groups of them written out.
fn paths(code: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), code);
    while let Some(start) = rest.find(is_of_name) {
        rest = &rest[start..];
        let mut path = String::new();
        loop {
            let end = rest
                .find(|letter| !is_of_name(letter))
                .unwrap_or(rest.len());
            path.push_str(&rest[..end]);
            rest = &rest[end..];
            match rest.strip_prefix("::") {
                Some(after) if after.starts_with(is_of_name) => {
                    path.push_str("::");
                    rest = after;
                }
                _no_more => break,
            }
        }
        if let Some(group) = rest.strip_prefix("::{") {
            let end = end_of_group(group);
            let inner = paths(&group[..end]);
            found.extend(inner.into_iter().map(|inner| format!("{path}::{inner}")));
            rest = &group[end..];
        } else {
            found.push(path);
        }
        // What it is called here says nothing.
        if let Some(alias) = rest.strip_prefix(" as ") {
            rest = alias.trim_start_matches(is_of_name);
        }
    }
    found
}

/// Where the group ends whose inside this text begins with.
fn end_of_group(text: &str) -> usize {
    let mut open = 1;
    let end = text.find(|letter| {
        match letter {
            '{' => open += 1,
            '}' => open -= 1,
            _other => {}
        }
        open == 0
    });
    end.unwrap_or(text.len())
}

const fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The code of a file without its comments and the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = text.unwrap_or_default().lines();
    let lines = lines.map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn root() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    workspace.expect("a crate of a workspace").to_owned()
}

/// Every Rust file of a module but its tests, with how deep in the module it stands.
fn sources(module: &Path) -> Vec<(PathBuf, usize)> {
    if !module.is_dir() {
        return vec![(module.with_extension("rs"), 0)];
    }
    let entries =
        fs::read_dir(module).unwrap_or_else(|error| panic!("{}: {error}", module.display()));
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("a readable directory").path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        match name {
            "tests" | "snapshots" => {}
            "mod" => found.push((path, 0)),
            _part => {
                let within = sources(&path.with_extension(""));
                found.extend(within.into_iter().map(|(file, depth)| (file, depth + 1)));
            }
        }
    }
    found
}

//! The laws are tried on servers that lie: every planted bug must be found by its law.
//!
//! With the feature `planted-bugs` this runs the whole proof, dozens of short runs; without it, only
//! that the program says how to get it.

use std::process::{Command, Output};

fn prove() -> Output {
    let out = tempfile::tempdir().expect("a temporary directory can be made");
    Command::new(env!("CARGO_BIN_EXE_stampede"))
        .arg("prove")
        .arg("--out")
        .arg(out.path())
        .output()
        .expect("the program was built for this test")
}

#[cfg(feature = "planted-bugs")]
#[test]
fn every_planted_bug_is_found_by_its_law_and_the_honest_server_is_not_accused() {
    let output = prove();
    let (table, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}\n{table}");
    let bugs = server::tamper::PlantedBug::ALL.len();
    assert_eq!(table.matches("\n| `").count(), bugs, "{table}");
    assert!(table.contains("| none, as it should be |"), "{table}");
}

#[cfg(not(feature = "planted-bugs"))]
#[test]
fn a_default_build_has_no_bugs_to_plant_and_says_how_to_get_them() {
    let output = prove();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--features planted-bugs -- prove"));
    let serve = Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(["serve", "--planted-bug", "double-booking"])
        .output()
        .expect("the program was built for this test");
    assert_eq!(serve.status.code(), Some(2), "the flag must not exist");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

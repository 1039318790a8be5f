//! What a user can get wrong: each is refused with a sentence that says how to get it right.

use std::{net::TcpListener, path::Path};

use tempfile::{TempDir, tempdir};

use crate::program::{Server, run, text};

/// The shortest scenario there is.
pub(crate) const TINY: &str = r#"
name = "tiny"
world = { users = 4, agendas = 1, days = 2, slots = 4 }
phase = [{ name = "go", duration = "200ms", load = [{ flow = "book", rate = 50 }] }]
flow.book.steps = [{ reserve = {} }]
"#;

/// A directory with `tiny.toml` in it.
fn with_tiny() -> (TempDir, String) {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "tiny.toml", TINY);
    (dir, scenario)
}

pub(crate) fn write(dir: &Path, name: &str, words: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, words).expect("it can be written");
    text(&path).to_owned()
}

/// Runs the program, which refuses with this code and says all of these words on standard error.
async fn check(args: &[&str], code: i32, words: &[&str]) {
    let said = run(args).await;
    assert_eq!(said.code, Some(code), "{args:?}: {said:?}");
    assert_eq!(said.out, "", "{args:?} says its mistakes elsewhere");
    for word in words {
        assert!(
            said.err.contains(word),
            "{word:?} is not said of {args:?}: {}",
            said.err
        );
    }
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

#[tokio::test]
async fn a_scenario_with_an_unknown_key_is_refused_with_its_place_and_a_hint() {
    let dir = tempdir().expect("a directory");
    let broken = TINY.replace("duration", "durration");
    let scenario = write(dir.path(), "broken.toml", &broken);
    for command in ["run", "plan"] {
        let args = [command, &scenario];
        check(&args, 2, &["broken.toml:4:", "durration", "`duration`"]).await;
    }
}

#[tokio::test]
async fn a_scenario_that_is_not_there_is_named() {
    for command in ["run", "plan"] {
        let args = [command, "no/such/scenario.toml"];
        check(&args, 2, &["no/such/scenario.toml", "No such file"]).await;
    }
}

#[tokio::test]
async fn a_command_line_that_makes_no_sense_is_explained() {
    check(&[], 2, &["Usage: stampede"]).await;
    check(&["rnu"], 2, &["rnu", "Usage: stampede"]).await;
    check(&["run"], 2, &["<FILE>"]).await;
    check(
        &["plan", "scenarios/smoke.toml", "--seed=-1"],
        2,
        &["--seed"],
    )
    .await;
    check(
        &["run", "scenarios/smoke.toml", "--json", "file"],
        2,
        &["--json"],
    )
    .await;
    let args = ["run", "scenarios/smoke.toml", "--admin-password-file", "x"];
    check(&args, 2, &["--target"]).await;
}

#[tokio::test]
async fn scales_that_are_no_factors_are_refused() {
    let (_dir, scenario) = with_tiny();
    for scale in ["--time-scale", "--rate-scale"] {
        for factor in ["0", "-1", "nan", "inf", "fast"] {
            let argument = format!("{scale}={factor}");
            check(&["plan", &scenario, &argument], 2, &[&scale[2..6]]).await;
        }
    }
}

#[tokio::test]
async fn a_target_that_is_no_address_is_refused_before_anything_begins() {
    let (dir, scenario) = with_tiny();
    let out = dir.path().join("runs");
    for target in [
        "127.0.0.1:7400",
        "http://127.0.0.1:7400",
        "tcp://",
        "tcp://x",
        "tcp://x:0",
        "tcp://:1",
    ] {
        let args = ["run", &scenario, "--target", target, "--out", text(&out)];
        check(&args, 2, &[target, "tcp://HOST:PORT"]).await;
    }
    assert!(!out.exists(), "nothing began");
}

#[tokio::test]
async fn a_target_needs_the_password_of_its_admin() {
    let (dir, scenario) = with_tiny();
    let out = dir.path().join("runs");
    let common = [
        "run",
        &scenario,
        "--out",
        text(&out),
        "--target",
        "tcp://127.0.0.1:7400",
    ];
    check(&common, 2, &["--admin-password-file"]).await;
    assert!(!out.exists(), "nothing began");
    let missing = dir.path().join("no-password");
    let args = [&common[..], &["--admin-password-file", text(&missing)]].concat();
    check(&args, 2, &["no-password", "--admin-password-file"]).await;
}

/// Runs tiny against this address, with this password, and expects to be refused.
async fn check_target(address: &str, password: &str, words: &[&str]) {
    let (dir, scenario) = with_tiny();
    let out = dir.path().join("runs");
    let password = write(dir.path(), "password", password);
    let target = format!("tcp://{address}");
    let mut args = vec!["run", &scenario, "--target", &target];
    args.extend(["--admin-password-file", &password, "--out", text(&out)]);
    check(&args, 2, &[&[address], words].concat()).await;
    let left = std::fs::read_dir(&out).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a run that never began leaves nothing behind");
}

#[tokio::test]
async fn a_target_where_nobody_listens_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener
        .local_addr()
        .expect("it has an address")
        .to_string();
    drop(listener);
    check_target(&address, "x", &["is it running"]).await;
}

#[tokio::test]
async fn the_wrong_password_is_called_wrong() {
    let dir = tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("data")).await;
    check_target(
        &server.address,
        "wrong-one",
        &["admin", "/password", "do not belong together"],
    )
    .await;
}

/// Takes connections and sends each of them these bytes, in a thread that ends with the test.
fn impostor(says: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener
        .local_addr()
        .expect("it has an address")
        .to_string();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming().flatten() {
            use std::io::Write as _;
            let mut speaking = &stream;
            let _whoever_hangs_up = speaking.write_all(says);
            held.push(stream);
        }
    });
    address
}

#[tokio::test]
async fn a_target_that_speaks_something_else_is_found_out() {
    for says in [
        &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x01\x00\x00\x00\x00",
    ] {
        check_target(&impostor(says), "x", &["is it a stampede server?"]).await;
    }
}

#[tokio::test]
async fn a_target_that_says_nothing_is_given_up() {
    check_target(&impostor(b""), "x", &["did not answer within"]).await;
}

#[tokio::test]
async fn a_data_directory_has_one_server() {
    let dir = tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("data")).await;
    let args = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        text(&server.data),
    ];
    check(&args, 2, &[text(&server.data), "in use by process"]).await;
}

#[tokio::test]
async fn a_port_has_one_server() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has an address").to_string();
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let args = ["serve", "--listen", &address, "--data", text(&data)];
    check(&args, 2, &[&address, "--listen"]).await;
    assert!(!data.exists(), "a server that cannot listen makes no log");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_made_is_named() {
    let dir = tempdir().expect("a directory");
    // A file stands where the directory should be: refused even to root.
    let file = write(dir.path(), "file", "");
    for data in [file.clone(), format!("{file}/data")] {
        let args = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
        check(&args, 2, &[&data, "is no directory"]).await;
    }
}

#[tokio::test]
async fn a_place_for_runs_that_cannot_be_written_is_named() {
    let (dir, scenario) = with_tiny();
    let file = write(dir.path(), "file", "");
    for out in [
        file.clone(),
        format!("{file}/runs"),
        "/proc/runs".to_owned(),
    ] {
        let args = ["run", &scenario, "--out", &out];
        check(&args, 2, &[&out, "name another with --out"]).await;
    }
}

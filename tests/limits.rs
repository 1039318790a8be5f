//! A server that the system gives too little: it says so once, goes on, and ends when it is told to.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::program::DEADLINE;

/// A server under a limit of the shell's.
struct Limited {
    child: Child,
    ready: serde_json::Value,
    _data: TempDir,
}

impl Limited {
    /// `None` if it does not even start.
    fn start(limit: &str) -> Option<Self> {
        let data = tempfile::tempdir().expect("a temporary directory");
        let program = env!("CARGO_BIN_EXE_stampede");
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "{limit} && exec '{program}' serve --data '{}' --listen 127.0.0.1:0 --jsonl 127.0.0.1:0 --http 127.0.0.1:0 --snapshot-every 0 --ready-json",
                data.path().join("data").display()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("it was piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("its output is text");
        let Ok(ready) = serde_json::from_str(&line) else {
            child.wait().expect("it ends");
            return None;
        };
        Some(Self {
            child,
            ready,
            _data: data,
        })
    }

    fn connect(&self, door: &str) -> TcpStream {
        let address: SocketAddr = self.ready[door]
            .as_str()
            .and_then(|address| address.parse().ok())
            .expect("an address");
        let stream = TcpStream::connect(address).expect("it listens");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a socket has a timeout");
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.connect("http");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// Tells it to stop. Returns whether it ended well, and what it complained of.
    fn stop(mut self) -> (bool, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        let mut complaints = String::new();
        let errors = self.child.stderr.as_mut().expect("it was piped");
        errors.read_to_string(&mut complaints).expect("text");
        (self.child.wait().expect("it ends").success(), complaints)
    }
}

#[test]
fn a_server_without_descriptors_says_how_it_is_and_complains_once() {
    let server = Limited::start("ulimit -n 40 && ulimit -Hn 40").expect("it starts");
    let held: Vec<TcpStream> = (0..60).map(|_| server.connect("address")).collect();
    for _ in 0..100 {
        for path in ["/live", "/ready"] {
            let answer = server.get(path);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
    let (is_well, complaints) = server.stop();
    assert!(is_well, "{complaints}");
    drop(held);
    let told = complaints.matches("cannot accept connections").count();
    assert_eq!(told, 1, "{complaints}");
}

#[test]
fn a_server_without_memory_for_hashes_is_busy_and_goes_on() {
    // Which of these leaves too little for a second hash depends on the program; that nobody is left without an
    // answer, and that it ends well, does not.
    for kib in [60_000, 90_000, 130_000, 200_000, 300_000] {
        let Some(server) = Limited::start(&format!("ulimit -v {kib}")) else {
            continue;
        };
        let mut asking: Vec<TcpStream> = (0..8).map(|_| server.connect("jsonl")).collect();
        for (nth, stream) in asking.iter_mut().enumerate() {
            let password = "correct horse";
            let register = format!(
                "{{\"do\":\"register\",\"name\":\"user{nth}\",\"password\":\"{password}\"}}\n"
            );
            stream.write_all(register.as_bytes()).expect("it reads");
        }
        for stream in asking {
            let mut answer = String::new();
            BufReader::new(stream)
                .read_line(&mut answer)
                .expect("an answer");
            let is_answer = answer.contains("\"registered\"") || answer.contains("\"busy\"");
            assert!(is_answer, "with {kib} KiB: {answer}");
        }
        let (is_well, complaints) = server.stop();
        assert!(is_well, "with {kib} KiB: {complaints}");
    }
}

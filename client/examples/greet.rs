//! Logs in, says something to everybody, and prints what comes until a newline is typed.
//!
//! ```text
//! stampede serve --listen 127.0.0.1:7000 --data /tmp/greet
//! cargo run -p client --example greet -- 127.0.0.1:7000 admin "$(cat /tmp/greet/admin-password)"
//! ```
//!
//! The server made that admin by itself; anybody else is registered first.
//! Kill the server and start it again meanwhile: nothing is lost, and nothing comes twice.
#![expect(clippy::print_stdout, reason = "an example speaks")]

use client::{Identity, connect};
use protocol::{
    Key,
    words::chat::{Command, Content, Push, Send, Target},
};
use tokio::io::AsyncReadExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, name, password] = args.as_slice() else {
        return Err("give ADDRESS NAME PASSWORD of somebody who is registered".into());
    };
    // Another program would draw it at random, and keep it until the log-in was answered.
    let key = Key(u128::from(std::process::id()).to_le_bytes());
    let identity = Identity::LogIn {
        name: name.clone(),
        password: password.clone(),
        key,
    };
    let (handle, mut pushes) = connect(address, identity, None).await?;
    let greeting = Command::from(Send {
        to: Target::Public,
        text: format!("{name} is here").into(),
    });
    let mut body = Vec::new();
    greeting.encode(&mut body);
    let answer = handle.command(greeting.kind(), body).await?;
    println!(
        "said at position {}: {:?}",
        answer.seq,
        answer.outcome.is_ok()
    );
    let mut typed = [0];
    let mut stdin = tokio::io::stdin();
    loop {
        tokio::select! {
            pushed = pushes.next() => match pushed {
                Some(pushed) => print(pushed.seq, Push::decode(pushed.kind, pushed.schema, &pushed.body)),
                None => return Ok(()),
            },
            _read = stdin.read(&mut typed) => return Ok(()),
        }
    }
}

fn print(seq: Option<protocol::Seq>, push: Result<Push, protocol::words::WordError>) {
    if let (Some(seq), Ok(Push::Entry(entry))) = (seq, push)
        && let Content::Text(text) = &entry.content
    {
        println!("{seq}: {}: {text:?}", entry.author);
    }
}

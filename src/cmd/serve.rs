//! `stampede serve`: runs the server, and says what to paste next.

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
};

use anyhow::Result;
use protocol::Seq;
use reports::printable::ColouredWriter;
use rustix::process::{Signal, set_parent_process_death_signal};
use server::{
    Ready, ServerConfig, line::Language, log::Durability, passwords::PasswordCost,
    session::SessionTimeouts,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    args::{DurabilityArg, LanguageArg, PasswordCostArg, Serve, UsageError},
    printing, shell,
};

/// Runs the server until it is told to stop by Ctrl-C or SIGTERM.
pub(crate) fn serve(args: &Serve) -> Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(|| ColouredWriter(io::stderr()))
        .with_env_filter(EnvFilter::try_new(&args.log_filter).map_err(|source| {
            UsageError::LogFilter {
                given: args.log_filter.clone(),
                source,
            }
        })?)
        .with_ansi(printing::wants_color(&io::stderr()))
        .init();
    if args.ready_json {
        // Whoever started this server may die without a word, and then nobody would stop it.
        set_parent_process_death_signal(Some(Signal::TERM))?;
    }
    let config = config(args);
    let announce = |ready: &Ready| {
        let text = if args.ready_json {
            ready_json(ready)
        } else {
            ready_text(ready)
        };
        let mut out = io::stdout().lock();
        // Whoever closed our output does not want to read it; the server runs on.
        let _unread = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        #[cfg(feature = "planted-bugs")]
        announce_bug(args);
    };
    server::serve(&config, announce, stop_signal())?;
    if !args.ready_json {
        writeln!(
            printing::out(),
            "Stopped: everything taken was finished and the log is at rest."
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn config(args: &Serve) -> ServerConfig {
    ServerConfig {
        data_dir: args.data.clone(),
        listen: args.listen,
        durability: match args.durability {
            DurabilityArg::Full => Durability::Full,
            DurabilityArg::Normal => Durability::Normal,
            DurabilityArg::None => Durability::None,
        },
        accept_loss_after: args.accept_loss_after.map(Seq),
        trust_clock: args.trust_clock,
        new_secret: args.new_secret,
        password_cost: match args.password_cost {
            PasswordCostArg::Default => PasswordCost::DEFAULT,
            PasswordCostArg::Test => PasswordCost::TEST,
        },
        jsonl: args.jsonl,
        classic_language: match args.classic_language {
            LanguageArg::Pt => Language::Portuguese,
            LanguageArg::En => Language::English,
        },
        http: args.http,
        connections_max: args.connections,
        timeouts: SessionTimeouts::default(),
        snapshot_every: args.snapshot_every,
        #[cfg(feature = "planted-bugs")]
        planted_bug: args.planted_bug,
    }
}

/// Nobody shall take this server for an honest one.
#[cfg(feature = "planted-bugs")]
fn announce_bug(args: &Serve) {
    if let Some(bug) = args.planted_bug {
        let _unheard = writeln!(
            io::stderr(),
            "PLANTED BUG `{bug}`: this server misbehaves on purpose: {}.",
            bug.sentence(),
        );
    }
}

async fn stop_signal() {
    let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be listened for");
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened for");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn ready_text(ready: &Ready) -> String {
    let (address, dir) = (ready.address, ready.data_dir.display());
    let data = shell::quoted(&ready.data_dir);
    let warnings: String = ready
        .warnings
        .iter()
        .map(|warning| format!("Warning: {warning}\n"))
        .collect();
    let lines = ready.jsonl.map(lines_text).unwrap_or_default();
    let from = match ready.recovered_from {
        Seq::START => String::new(),
        seq => format!(" from the snapshot at seq {seq}"),
    };
    let http = ready.http.map(http_text).unwrap_or_default();
    format!(
        "{warnings}Listening on tcp://{address}; log in {dir} at seq {seq}, rebuilt in {ms} ms{from}.\n\
         \n\
         Run a scenario against it:\n\
         \x20 stampede run scenarios/smoke.toml --target tcp://{address} --admin-password-file {password}\n\
         {lines}\
         {http}\
         Look into its log:\n\
         \x20 stampede log cat {data} --limit 20\n\
         Stop it with Ctrl-C: what was taken is finished first.\n",
        seq = ready.recovered,
        ms = ready.recovered_in.as_millis(),
        password = if ready.admin_password_file.exists() {
            shell::quoted(&ready.admin_password_file)
        } else {
            "FILE".to_owned()
        },
    )
}

/// How to speak with it by hand.
fn lines_text(address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    format!(
        "Speak with it in lines of JSON:\n\
         \x20 nc {host} {port}\n\
         \x20 {{\"do\":\"register\",\"name\":\"ana\",\"password\":\"correct horse\"}}\n\
         \x20 {{\"do\":\"log-in\",\"name\":\"ana\",\"password\":\"correct horse\"}}\n\
         \x20 {{\"do\":\"list-agendas\",\"after\":0,\"limit\":10}}\n",
    )
}

/// How to ask how it is.
fn http_text(address: SocketAddr) -> String {
    format!(
        "Ask how it is, also while it starts and stops:\n\
         \x20 curl http://{address}/metrics\n\
         \x20 curl http://{address}/ready\n",
    )
}

/// The same for a program that started this one.
fn ready_json(ready: &Ready) -> String {
    let line = serde_json::json!({
        "address": ready.address.to_string(),
        "jsonl": ready.jsonl.map(|address| address.to_string()),
        "http": ready.http.map(|address| address.to_string()),
        // JSON has only text: a path that is none is known to whoever gave it.
        "data_dir": ready.data_dir.to_str(),
        "admin_password_file": ready.admin_password_file.to_str(),
        "recovered_seq": ready.recovered.0,
        "recovered_from_seq": ready.recovered_from.0,
        "recovered_ms": u64::try_from(ready.recovered_in.as_millis()).unwrap_or(u64::MAX),
        "warnings": ready.warnings,
    });
    format!("{line}\n")
}

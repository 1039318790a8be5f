//! `stampede check`: histories judged again, of this program's runs and of other tools.
//!
//! Files in, verdicts and an exit code out. Deliberately absent: the judging (`loadgen`) and the
//! words for it (`reports`).

use std::{
    fs,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, ValueEnum};
use loadgen::register::{self, RegisterHistory, RegisterModel};
use reports::{
    judged::JudgedRecord,
    record::Verdict,
    render::{self, Style},
    verdict::{EXIT_INCONCLUSIVE, EXIT_INVARIANT, EXIT_PASS, EXIT_USAGE, more_severe},
};

use crate::args::UsageError;

/// Columns of what is printed, as for a run's summary.
const WIDTH: usize = 100;

/// The most bytes of a history of another tool: some millions of operations, read at once.
const TEXT_BYTES_MAX: u64 = 256 << 20;

/// `stampede check`
#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    /// Histories: text lines of jepsen (`3 :invoke :write 4`), or a run's directory or history.bin
    #[arg(value_name = "HISTORY", required = true)]
    pub(crate) histories: Vec<PathBuf>,
    /// What the object of a text history is
    #[arg(
        long,
        env = "STAMPEDE_MODEL",
        value_enum,
        default_value = "cas-register"
    )]
    pub(crate) model: ModelArg,
    /// Leave a timeline as a page: in this file, or for several histories in this directory
    #[arg(long, value_name = "PATH")]
    pub(crate) html: Option<PathBuf>,
}

/// A model of a text history's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelArg {
    /// Reads and writes, nil at first
    Register,
    /// Reads, writes, and compare and set, nil at first
    CasRegister,
}

impl ModelArg {
    const fn model(self) -> RegisterModel {
        match self {
            Self::Register => RegisterModel::Register,
            Self::CasRegister => RegisterModel::CasRegister,
        }
    }
}

/// Judges every history; the exit code is the worst of theirs.
pub(crate) fn check(args: &Check) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    let [history] = args.histories.as_slice() else {
        return check_all(args, &mut out);
    };
    let judged = judge(history, args)?;
    let style = Style {
        color: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        width: WIDTH,
    };
    let text = render::judged(&history.display().to_string(), &judged, style);
    out.write_all(text.as_bytes())?;
    if let Some(page) = &args.html {
        write_page(page, history, &judged)?;
        writeln!(out, "\nTimeline\n  {}", page.display())?;
    }
    Ok(ExitCode::from(exit_code(judged.verdict)))
}

/// A line each. One that cannot be read does not keep the others from being judged.
fn check_all(args: &Check, out: &mut impl Write) -> Result<ExitCode> {
    if let Some(dir) = &args.html {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let mut worst = EXIT_PASS;
    for history in &args.histories {
        match judge(history, args) {
            Ok(judged) => {
                let path = history.display().to_string();
                writeln!(out, "{}", render::judged_line(&path, &judged))?;
                if let Some(dir) = &args.html {
                    write_page(&page_in(dir, history), history, &judged)?;
                }
                worst = more_severe(worst, exit_code(judged.verdict));
            }
            Err(error) => {
                writeln!(out, "UNREAD  {error:#}")?;
                worst = more_severe(worst, EXIT_USAGE);
            }
        }
    }
    Ok(ExitCode::from(worst))
}

fn judge(path: &Path, args: &Check) -> Result<JudgedRecord> {
    let text = read_text(path)?;
    let model = args.model.model();
    let history = RegisterHistory::parse(&text, model, &path.display().to_string())?;
    Ok(register::judge(&history, model, register::STEPS_MAX))
}

fn read_text(path: &Path) -> Result<String> {
    let wrong = |reason: String| UsageError::History {
        path: path.to_owned(),
        reason,
    };
    let file = fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong(error.to_string()))?;
    if TEXT_BYTES_MAX < bytes.len() as u64 {
        return Err(wrong(format!(
            "it is larger than the {TEXT_BYTES_MAX} bytes that are read of a text history"
        ))
        .into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        wrong(format!("it is no text: byte {at} is no UTF-8")).into()
    })
}

fn write_page(page: &Path, history: &Path, judged: &JudgedRecord) -> Result<()> {
    let name = history.file_name().unwrap_or(history.as_os_str());
    let html = render::timeline(&name.to_string_lossy(), judged);
    fs::write(page, html).with_context(|| page.display().to_string())
}

/// Where the page of one of several histories goes.
fn page_in(dir: &Path, history: &Path) -> PathBuf {
    let mut name = history.file_name().unwrap_or_default().to_owned();
    name.push(".html");
    dir.join(name)
}

const fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Valid => EXIT_PASS,
        Verdict::Unknown => EXIT_INCONCLUSIVE,
        Verdict::Invalid => EXIT_INVARIANT,
    }
}

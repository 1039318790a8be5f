//! Arguments and the variables that stand for them, taken in one way for all commands.
//!
//! An empty variable is none, as compose files and CI templates leave them; a flag's variable is yes
//! or no in any of the words for it. Deliberately absent: which arguments there are (`args`).

use std::{
    borrow::Cow,
    env,
    ffi::OsStr,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{
    Arg, ArgAction, Command, CommandFactory as _, FromArgMatches as _, builder::BoolishValueParser,
};

use reports::printable::printable_lines;

use crate::args::Args;

/// The arguments of this process. Whoever mistyped them, or asked for help, was told; the process is to end with
/// the code.
pub(crate) fn arguments() -> Result<Args, ExitCode> {
    let is_empty = |name: &OsStr| env::var_os(name).is_some_and(|value| value.is_empty());
    let command = prepared(Args::command(), &is_empty);
    let parsed = command
        .try_get_matches()
        .and_then(|matches| Args::from_arg_matches(&matches));
    parsed.map_err(|error| explain(&error))
}

/// Says what was mistyped, or what was asked for. What was typed is repeated in it: where that has signs that
/// steer a terminal, all of it is printed without colours and with those written out.
fn explain(error: &clap::Error) -> ExitCode {
    let plain = error.render().to_string();
    // Nobody can be told if the output is closed.
    let _unheard = match printable_lines(&plain) {
        Cow::Borrowed(_) => error.print(),
        Cow::Owned(shown) => write!(io::stderr(), "{shown}"),
    };
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// A command, and all below it, that takes variables as the head of this file says.
fn prepared(command: Command, is_empty: &dyn Fn(&OsStr) -> bool) -> Command {
    let command = command.mut_args(|arg| prepared_arg(arg, is_empty));
    command.mut_subcommands(|below| prepared(below, is_empty))
}

fn prepared_arg(arg: Arg, is_empty: &dyn Fn(&OsStr) -> bool) -> Arg {
    let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
    let arg = if is_flag {
        arg.value_parser(BoolishValueParser::new())
    } else {
        arg
    };
    if arg.get_env().is_some_and(is_empty) {
        return arg.env(None::<&'static str>);
    }
    arg
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variables of a command and all below it.
    fn variables(command: &Command) -> Vec<String> {
        let own = command.get_arguments().filter_map(Arg::get_env);
        let own = own.map(|name| name.to_string_lossy().into_owned());
        let below = command.get_subcommands().flat_map(variables);
        own.chain(below).collect()
    }

    #[test]
    fn an_empty_variable_stands_for_no_argument_of_any_command() {
        let all = variables(&Args::command());
        assert!(all.len() > 20, "{all:?}");
        let left = prepared(Args::command(), &|_| true);
        assert_eq!(variables(&left), [""; 0]);
        let left = prepared(Args::command(), &|name| name == "STAMPEDE_SEED");
        assert!(variables(&left).iter().all(|name| name != "STAMPEDE_SEED"));
        assert!(variables(&left).contains(&"STAMPEDE_OUT".to_owned()));
    }
}

//! Shell completions and manual pages, made from the definition of the command line.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::output;

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
    print(&script)
}

/// Prints the manual page of the program, or of one command.
pub(crate) fn man(page: Option<&str>) -> Result<ExitCode, Failure> {
    let mut program = Arguments::command();
    program.build();
    let command = match page {
        None => program,
        Some(name) => {
            let found = program.find_subcommand(name).cloned();
            found.ok_or_else(|| Failure::usage("there is no such manual page", format!("`{name}` is no command")))?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(|error| Failure::failed(UNPRINTED, error))?;
    print(&text)
}

fn print(text: &[u8]) -> Result<ExitCode, Failure> {
    output::print(text).map_err(|error| Failure::failed(UNPRINTED, error))?;
    Ok(ExitCode::SUCCESS)
}

const NAME: &str = "signalr-upstream-auth";
const UNPRINTED: &str = "nothing was printed";

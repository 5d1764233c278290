//! Standard output and standard error of the commands.

use std::io::{self, ErrorKind, Write};

/// Writes what a command prints. If nobody reads any more, as before `| head`, the rest is not needed.
pub(crate) fn print(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Writes why a command ends. If that is impossible, the exit code still says it.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

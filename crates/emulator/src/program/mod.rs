//! An emulator as a program of its own: its settings from a file, the variables of an app, and a log for people.

mod assumptions;
mod log;
mod settings;

pub use assumptions::AssumptionSettings;
pub use log::{write_colored_log, write_log};
pub use settings::{AccessKeySettings, EmulatorSettings, UpstreamSettings, env_file};

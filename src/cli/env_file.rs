//! The flags of commands that read a `.env` file.
//!
//! Owns their texts. Which file is read without them is decided by the configuration.

use std::path::{Path, PathBuf};

use clap::Args;
use resound::config::{ConfigInputs, EnvFileChoice};

#[derive(Debug, Clone, Default, Args)]
pub(super) struct EnvFileFlags {
    /// The .env of a Laravel application to read [default: that of the working folder, if it has settings of this
    /// server].
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Read no .env file.
    #[arg(long, conflicts_with = "env_file")]
    no_env_file: bool,
}

impl EnvFileFlags {
    /// The configuration that a command names with these flags and `--config`.
    pub(super) fn with(&self, file: Option<&Path>) -> ConfigInputs {
        let env_file = match &self.env_file {
            Some(path) => EnvFileChoice::Path(path.clone()),
            None if self.no_env_file => EnvFileChoice::None,
            None => EnvFileChoice::WorkingFolder,
        };
        ConfigInputs { file: file.map(Path::to_owned), env_file, flags: Vec::new() }
    }
}

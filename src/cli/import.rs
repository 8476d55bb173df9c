//! `resound import`: a configuration file from the files of a Laravel application, or from that of soketi.
//!
//! Owns which files are read, and how the new one is written. What stands in it is decided by `laravel_import`.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use resound::dotenv;
use resound::laravel_import::{
    LaravelFile, LaravelFiles, LaravelImport, SecretForm, import, import_soketi,
};

use super::failure::Failure;
use super::stdout::{print, print_beside, print_data};

/// For the user of the server alone, where secrets stand in the file.
const PRIVATE: u32 = 0o600;
const SHARED: u32 = 0o644;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The folder of the application, or the JSON file of soketi.
    #[arg(default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
    /// The file to write [default: standard output].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long, requires = "output")]
    force: bool,
    /// Write secrets into the file instead of the names of their variables; only its owner may read it then.
    #[arg(long)]
    inline_secrets: bool,
}

impl Import {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.folder.extension().is_some_and(|ending| ending == "json") {
            return self.of_soketi();
        }
        let read = |part: &str| self.file(part);
        let files = LaravelFiles { env: read(".env")?, reverb: read("config/reverb.php")? };
        if files.env.is_none() && files.reverb.is_none() {
            let folder = self.folder.display();
            return Err(Failure::Argument(format!(
                "{folder} has neither .env nor config/reverb.php; name the folder of a Laravel application"
            )));
        }
        let form = if self.inline_secrets { SecretForm::Inline } else { SecretForm::Reference };
        let import = import(&files, form).map_err(|error| Failure::Refused(error.to_string()))?;
        self.show(&import)?;
        if let Some(note) = self.cached() {
            let _ = print_beside(&format!("warning: {note}"));
        }
        Ok(())
    }

    /// The secrets of soketi's apps stand in its file, and so in the new one.
    fn of_soketi(&self) -> Result<(), Failure> {
        let name = self.folder.display().to_string();
        let bytes = fs::read(&self.folder)
            .map_err(|error| Failure::Argument(format!("{name} cannot be read: {error}")))?;
        let file = LaravelFile { name, text: String::from_utf8_lossy(&bytes).into_owned() };
        let import = import_soketi(&file).map_err(|error| Failure::Refused(error.to_string()))?;
        self.show(&import)
    }

    fn show(&self, import: &LaravelImport) -> Result<(), Failure> {
        match &self.output {
            None => print_data(&import.text)?,
            Some(output) => {
                self.write(output, import)?;
                print(&self.next(output, import))?;
            }
        }
        // They stand in the file too, but a file that is piped on is not looked at.
        for unread in &import.unread {
            let _ = print_beside(&format!("warning: {unread}"));
        }
        Ok(())
    }

    /// A file of the application, if it is there.
    fn file(&self, part: &str) -> Result<Option<LaravelFile>, Failure> {
        let path = if self.folder == Path::new(".") {
            PathBuf::from(part)
        } else {
            self.folder.join(part)
        };
        let name = path.display().to_string();
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(LaravelFile { name, text: dotenv::decode(&bytes) })),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(Failure::Argument(format!("{name} cannot be read: {error}"))),
        }
    }

    fn write(&self, output: &Path, import: &LaravelImport) -> Result<(), Failure> {
        let shown = output.display();
        if !self.force && output.symlink_metadata().is_ok() {
            return Err(Failure::Flag(format!(
                "--output is {:?}, which exists; name another file, or add --force to replace it",
                output
            )));
        }
        let mode = if import.has_secrets { PRIVATE } else { SHARED };
        // Beside it, so that a reader never finds half a file, and its rights are those of the new one.
        let mut name = output.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let new = output.with_file_name(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(mode).open(&new);
        let written = file.and_then(|mut file| file.write_all(import.text.as_bytes()));
        let renamed = written.and_then(|()| fs::rename(&new, output));
        if renamed.is_err() {
            let _ = fs::remove_file(&new);
        }
        renamed.with_context(|| format!("cannot write {shown}"))?;
        Ok(())
    }

    /// What to do with the file.
    fn next(&self, output: &Path, import: &LaravelImport) -> String {
        let (output, env) = (output.display(), self.folder.join(".env"));
        let secrets = if import.has_secrets {
            " It holds secrets, and only its owner may read it."
        } else {
            ""
        };
        let env = if self.folder == Path::new(".") || !env.exists() {
            String::new()
        } else {
            format!(" --env-file {}", env.display())
        };
        format!("wrote {output}.{secrets} Next: resound check --config {output}{env}\n")
    }

    /// Laravel reads the cached configuration instead of both files.
    fn cached(&self) -> Option<String> {
        let path = self.folder.join("bootstrap/cache/config.php");
        path.exists().then(|| {
            format!(
                "{} is what Laravel reads instead of these files; it is not read here. Run php artisan config:cache \
                 after each change of them",
                path.display()
            )
        })
    }
}

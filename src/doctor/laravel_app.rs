//! The files of a Laravel application, read once.
//!
//! Owns which files those are and how much of them is read. Pure parts of the room make sense of their text.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::broadcast_events::BroadcastEvent;
use super::env_file::LaravelEnv;
use crate::dotenv::{DotenvError, decode};
use crate::php_config::{self, PhpValue};

/// No source and no bundle that the doctor has something to say about is larger.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Of one kind of file, in all.
const BYTES_MAX: usize = 48 << 20;
const FILES_MAX: usize = 4000;

/// A file as text.
#[derive(Debug, Clone, Default)]
pub(super) struct TextFile {
    /// Relative to the application.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) modified: Option<SystemTime>,
}

/// What a Laravel application has in files.
#[derive(Default)]
pub(super) struct LaravelApp {
    pub(super) folder: PathBuf,
    /// `Err` has the name of the file and why Laravel refuses it.
    pub(super) env: Option<Result<LaravelEnv, (String, DotenvError)>>,
    /// The major version of laravel/framework, from `composer.lock`.
    pub(super) version: Option<u32>,
    /// `bootstrap/cache/config.php`, which Laravel reads instead of everything below `config` and `.env`.
    pub(super) cached: Option<TextFile>,
    pub(super) broadcasting: Option<TextFile>,
    pub(super) queue: Option<TextFile>,
    /// Where routes of channels are registered: `bootstrap/app.php`, providers and routes.
    pub(super) bootstrap: Option<TextFile>,
    pub(super) registrations: Vec<TextFile>,
    /// Sources of pages.
    pub(super) scripts: Vec<TextFile>,
    /// What a build made of them.
    pub(super) bundles: Vec<TextFile>,
    /// Vite's server is running: pages load the sources from it.
    pub(super) is_hot: bool,
    pub(super) events: Vec<BroadcastEvent>,
}

impl LaravelApp {
    /// Reads the application in a folder, and the `.env` that was named, or that in the folder.
    pub(super) fn read(folder: Option<&Path>, env_file: Option<&Path>) -> Self {
        let env = match (env_file, folder) {
            (Some(file), _) => env(file, file.display().to_string()),
            (None, Some(folder)) => env(&folder.join(".env"), ".env".to_owned()),
            (None, None) => None,
        };
        let Some(folder) = folder else { return Self { env, ..Self::default() } };
        let file = |name: &str| text_file(folder, &folder.join(name));
        let php = walk(folder, "app", &["php"]);
        let events = php.iter().filter(|file| file.text.contains("ShouldBroadcast"));
        let events =
            events.filter_map(|file| BroadcastEvent::read(&file.name, &file.text)).collect();
        let providers = php.into_iter().filter(|file| file.name.starts_with("app/Providers/"));
        let mut registrations: Vec<TextFile> = providers.collect();
        registrations.extend(walk(folder, "routes", &["php"]));
        let mut bundles = walk(folder, "public/build", &["js", "mjs"]);
        let manifest =
            file("public/build/manifest.json").or_else(|| file("public/build/.vite/manifest.json"));
        if let Some(manifest) = manifest {
            // What an earlier build left behind is loaded by no page.
            bundles.retain(|bundle| is_listed(&manifest.text, &bundle.name));
        }
        bundles.extend(walk(folder, "public/js", &["js"]));
        Self {
            folder: folder.to_owned(),
            env,
            version: file("composer.lock").and_then(|lock| framework_version(&lock.text)),
            cached: file("bootstrap/cache/config.php"),
            broadcasting: file("config/broadcasting.php"),
            queue: file("config/queue.php"),
            bootstrap: file("bootstrap/app.php"),
            registrations,
            scripts: walk(folder, "resources", &["js", "ts", "mjs", "jsx", "tsx", "vue", "svelte"]),
            bundles,
            is_hot: folder.join("public/hot").exists(),
            events,
        }
    }

    /// The `.env`, if Laravel can read it.
    pub(super) fn env(&self) -> Option<&LaravelEnv> {
        self.env.as_ref()?.as_ref().ok()
    }

    /// The values that Laravel cached; `None` if they cannot be read.
    pub(super) fn cached_values(&self) -> Option<PhpValue> {
        php_config::read_cached(&self.cached.as_ref()?.text).ok()
    }

    /// The variable that names the connection for broadcasts.
    pub(super) fn driver_variable(&self) -> &'static str {
        let (new, old) = ("BROADCAST_CONNECTION", "BROADCAST_DRIVER");
        let config = self.broadcasting.as_ref().map_or("", |file| &file.text);
        let is_old = match (config.contains(new), config.contains(old), self.version) {
            (true, _, _) => false,
            (false, true, _) => true,
            (_, _, Some(version)) => version <= 10,
            (_, _, None) => {
                self.env().is_some_and(|env| env.value(new).is_none() && env.value(old).is_some())
            }
        };
        if is_old { old } else { new }
    }

    /// The connection for broadcasts, as `.env` has it.
    pub(super) fn connection(&self) -> Option<&str> {
        self.env()?.text(self.driver_variable())
    }

    /// `REVERB` or `PUSHER`: how the names of the settings begin that Laravel broadcasts with.
    pub(super) fn prefix(&self) -> &'static str {
        let has = |name: &str| self.env().is_some_and(|env| env.value(name).is_some());
        match self.connection() {
            Some("pusher") => "PUSHER",
            Some("reverb") => "REVERB",
            _ if has("REVERB_APP_KEY") || !has("PUSHER_APP_KEY") => "REVERB",
            _ => "PUSHER",
        }
    }

    /// `REVERB_HOST` for `HOST`
    pub(super) fn name(&self, setting: &str) -> String {
        format!("{}_{setting}", self.prefix())
    }
}

fn env(path: &Path, name: String) -> Option<Result<LaravelEnv, (String, DotenvError)>> {
    let file = read(path)?;
    let text = decode(&file.0);
    Some(LaravelEnv::parse(name.clone(), &text, file.1).map_err(|error| (name, error)))
}

/// Only a regular file: tools that keep secrets put pipes in their place.
fn read(path: &Path) -> Option<(Vec<u8>, Option<SystemTime>)> {
    let data = fs::metadata(path).ok()?;
    if !data.is_file() || data.len() > FILE_BYTES_MAX {
        return None;
    }
    Some((fs::read(path).ok()?, data.modified().ok()))
}

fn text_file(folder: &Path, path: &Path) -> Option<TextFile> {
    let (bytes, modified) = read(path)?;
    let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
    Some(TextFile { name, text: String::from_utf8_lossy(&bytes).into_owned(), modified })
}

/// The files below a folder with one of these endings, in order of their paths.
fn walk(root: &Path, below: &str, endings: &[&str]) -> Vec<TextFile> {
    let (mut found, mut bytes, mut seen) = (Vec::new(), 0, 0);
    let mut open = vec![root.join(below)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            seen += 1;
            if seen > FILES_MAX || bytes > BYTES_MAX {
                break;
            }
            let (path, kind) = (entry.path(), entry.file_type());
            // A link to a folder could lead round in a circle.
            if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                if entry.file_name() != "node_modules" {
                    open.push(path);
                }
                continue;
            }
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if endings.contains(&ending)
                && let Some(file) = text_file(root, &path)
            {
                bytes += file.text.len();
                found.push(file);
            }
        }
    }
    found.sort_by(|left, right| left.name.cmp(&right.name));
    found
}

/// Whether the manifest of Vite has a file.
fn is_listed(manifest: &str, name: &str) -> bool {
    let name = name.strip_prefix("public/build/").unwrap_or(name);
    manifest.contains(&format!("\"{name}\""))
}

fn framework_version(lock: &str) -> Option<u32> {
    let lock: serde_json::Value = serde_json::from_str(lock).ok()?;
    let packages = lock.get("packages")?.as_array()?;
    let framework = packages.iter().find(|package| {
        package.get("name").and_then(serde_json::Value::as_str) == Some("laravel/framework")
    })?;
    let version = framework.get("version")?.as_str()?.trim_start_matches('v');
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::framework_version;

    #[test]
    fn the_version_of_the_framework_is_read() {
        let lock = |version: &str| {
            format!(
                r#"{{"packages":[{{"name":"a/b","version":"1.0"}},{{"name":"laravel/framework","version":"{version}"}}]}}"#
            )
        };
        assert_eq!(framework_version(&lock("v12.3.1")), Some(12));
        assert_eq!(framework_version(&lock("10.48.0")), Some(10));
        assert_eq!(framework_version(&lock("dev-master")), None);
        assert_eq!(framework_version("{}"), None);
    }
}

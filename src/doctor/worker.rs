//! Processes that take Laravel's jobs.
//!
//! Owns what their command lines look like, and how much of them can be seen: Linux has processes below `/proc`,
//! unless it hides those of other users.

use std::fs;
use std::path::{Path, PathBuf};

const COMMANDS: [&str; 3] = ["queue:work", "queue:listen", "horizon"];

/// The workers of an application, by their command lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Workers {
    /// In its folder. A process whose folder this user may not see counts.
    pub(super) here: Vec<String>,
    /// In another release of it, or in a container, whose folders have names of their own.
    pub(super) elsewhere: Vec<String>,
    /// Whether processes of other users can be seen.
    pub(super) sees_all: bool,
}

/// The workers of the application in `folder`, an absolute path.
pub(super) fn workers(proc: &Path, folder: &Path) -> Workers {
    // The first process belongs to root.
    let sees_all = fs::read(proc.join("1/cmdline")).is_ok();
    let mut workers = Workers { sees_all, ..Workers::default() };
    let Ok(entries) = fs::read_dir(proc) else { return workers };
    let is_process = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let own_root = fs::read_link(proc.join("self/ns/mnt")).ok();
    for entry in entries.flatten().filter(is_process) {
        let Ok(command) = fs::read(entry.path().join("cmdline")) else { continue };
        let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
        let Some(artisan) = artisan(&command) else { continue };
        let root = fs::read_link(entry.path().join("ns/mnt")).ok();
        let is_contained = root.is_some() && own_root.is_some() && root != own_root;
        match working_folder(artisan, &entry.path()) {
            Some(at) if !is_contained && at == folder => workers.here.push(command),
            Some(at) if is_contained || is_release_of(&at, folder) => {
                workers.elsewhere.push(command);
            }
            Some(_) => {}
            None => workers.here.push(command),
        }
    }
    workers
}

/// Where a worker has the application; `None` if this user may not see it.
fn working_folder(artisan: &str, process: &Path) -> Option<PathBuf> {
    if artisan.starts_with('/') {
        return Path::new(artisan).parent().map(Path::to_owned);
    }
    fs::read_link(process.join("cwd")).ok()
}

/// Whether both are folders below one `releases`, as deployments leave them: an older release takes the same jobs.
fn is_release_of(at: &Path, folder: &Path) -> bool {
    let parent = |path: &Path| path.parent().map(Path::to_owned);
    parent(at).is_some_and(|all| all.ends_with("releases") && Some(all) == parent(folder))
}

/// The path of `artisan` in the command line of a worker.
fn artisan(command: &str) -> Option<&str> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "artisan" || word.ends_with("/artisan"))?;
    let does = words.get(at + 1)?;
    COMMANDS.iter().any(|name| does.starts_with(name)).then(|| words[at])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{Workers, artisan, workers};

    #[test]
    fn workers_are_known_by_their_command_lines() {
        for (command, path) in [
            ("php artisan queue:work", Some("artisan")),
            ("/usr/bin/php8.3 /var/www/app/artisan horizon", Some("/var/www/app/artisan")),
            ("php artisan queue:listen --tries=1", Some("artisan")),
            ("php artisan horizon:work redis", Some("artisan")),
            ("php artisan serve", None),
            ("php artisan", None),
            ("vim artisan queue.php", None),
            ("", None),
        ] {
            assert_eq!(artisan(command), path, "{command}");
        }
    }

    #[test]
    fn a_worker_counts_for_its_own_application() {
        let proc = std::env::temp_dir().join(format!("resound-proc-{}", std::process::id()));
        let process = |id: &str, command: &str, folder: &str, namespace: &str| {
            fs::create_dir_all(proc.join(id).join("ns")).unwrap();
            fs::write(proc.join(id).join("cmdline"), command.replace(' ', "\0")).unwrap();
            symlink(folder, proc.join(id).join("cwd")).unwrap();
            symlink(namespace, proc.join(id).join("ns/mnt")).unwrap();
        };
        process("self", "resound doctor", "/", "mnt:[1]");
        process("10", "php artisan queue:work", "/srv/shop/releases/2", "mnt:[1]");
        process("11", "php artisan horizon", "/srv/shop/releases/1", "mnt:[1]");
        process("12", "php /app/artisan queue:work --tries=3", "/", "mnt:[2]");
        process("13", "php artisan queue:work", "/srv/other", "mnt:[1]");
        process("14", "php artisan serve", "/srv/shop/releases/2", "mnt:[1]");
        let found = workers(&proc, Path::new("/srv/shop/releases/2"));
        process("1", "/sbin/init", "/", "mnt:[1]");
        let visible = workers(&proc, Path::new("/srv/blog"));
        fs::remove_dir_all(&proc).unwrap();
        let mut elsewhere = found.elsewhere.clone();
        elsewhere.sort();
        assert_eq!(found.here, ["php artisan queue:work"]);
        assert_eq!(elsewhere, ["php /app/artisan queue:work --tries=3", "php artisan horizon"]);
        assert!(!found.sees_all && visible.sees_all);
        assert_eq!((visible.here, visible.elsewhere.len()), (vec![], 1));
        assert_eq!(workers(&proc, Path::new("/")), Workers::default());
    }
}

//! Processes that take Laravel's jobs.
//!
//! Owns what their command lines look like. Linux has them below `/proc`; elsewhere there is nothing to see.

use std::fs;
use std::path::Path;

const COMMANDS: [&str; 3] = ["queue:work", "queue:listen", "horizon"];

/// The command lines of the workers of the application in `folder`, an absolute path. A process whose folder this
/// user may not see counts.
pub(super) fn workers(proc: &Path, folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let processes = entries.flatten().filter(|entry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let works = processes.filter_map(|entry| {
        let command = fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
        let is_here = match (artisan(&command)?, fs::read_link(entry.path().join("cwd"))) {
            (path, _) if path.starts_with('/') => Path::new(path).parent() == Some(folder),
            (_, Ok(working)) => working == folder,
            (_, Err(_)) => true,
        };
        is_here.then_some(command)
    });
    works.collect()
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
    use super::artisan;

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
}

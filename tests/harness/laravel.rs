//! Whether the packages of Laravel that a test runs are on this machine.

use std::io::Write;
use std::path::Path;

/// Whether tests that need this class are left out, because it is not here. `tests/run` requires all suites
/// (`TEST_SUITES=all`), and then they fail instead.
pub fn is_class_missing(class: &str) -> bool {
    if Path::new(&format!("/usr/share/php/Illuminate/{class}.php")).exists() {
        return false;
    }
    #[allow(clippy::disallowed_methods, reason = "no configuration: it selects what is tested")]
    let wanted = std::env::var("TEST_SUITES").unwrap_or_default();
    assert_ne!(wanted, "all", "Laravel's {class} is missing: tests/install installs it");
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    // Past the test runner, which shows nothing of a test that passes.
    let text = format!("LEFT OUT: {name} (Laravel's {class} is missing); tests/install has it\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
    true
}

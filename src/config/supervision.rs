//! What systemd, or a process that hands over to this one, passes in variables of the environment.
//!
//! Owns their names and forms. They are no configuration: nothing but the process manager sets them. The
//! variables `LISTEN_FDS` and `LISTEN_PID` are read where the sockets are taken.

use std::time::Duration;

use super::environment::{self, Variables};

/// The variables of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SupervisionVariables {
    /// `NOTIFY_SOCKET`: where the process reports its state, a path or `@` and an abstract name.
    pub notify_socket: Option<String>,
    /// `WATCHDOG_USEC`: how long the process may be silent before it counts as hung.
    pub watchdog: Option<Duration>,
    /// `LISTEN_FDNAMES`: the names of the listening sockets that are passed on, in their order.
    pub socket_names: Vec<String>,
}

impl SupervisionVariables {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        Self::of(&environment::of_this_process(), std::process::id())
    }

    fn of(variables: &Variables, pid: u32) -> Self {
        let value = |name| variables.get(name).filter(|value| !value.is_empty());
        let number = |name| value(name)?.parse::<u64>().ok();
        // A child inherits the variable, and the watchdog of its parent is none of its own.
        let is_watched = number("WATCHDOG_PID").is_none_or(|watched| watched == u64::from(pid));
        let watchdog = number("WATCHDOG_USEC").filter(|time| is_watched && *time > 0);
        let names = value("LISTEN_FDNAMES").map_or("", String::as_str);
        Self {
            notify_socket: value("NOTIFY_SOCKET").cloned(),
            watchdog: watchdog.map(Duration::from_micros),
            socket_names: names.split(':').map(str::to_owned).filter(|it| !it.is_empty()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, SupervisionVariables};

    fn of(variables: &[(&str, &str)]) -> SupervisionVariables {
        let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        SupervisionVariables::of(&variables.collect(), 7)
    }

    #[test]
    fn the_variables_of_systemd_are_read() {
        let usec = ("WATCHDOG_USEC", "30000000");
        let second = Some(Duration::from_secs(30));
        for (variables, watchdog) in [
            (&[usec, ("WATCHDOG_PID", "7")][..], second),
            (&[usec], second),
            (&[usec, ("WATCHDOG_PID", "8")], None),
            (&[("WATCHDOG_USEC", "0")], None),
            (&[("WATCHDOG_USEC", "soon")], None),
        ] {
            assert_eq!(of(variables).watchdog, watchdog, "{variables:?}");
        }
        assert_eq!(of(&[]), SupervisionVariables::default());
        let sockets = of(&[("LISTEN_FDNAMES", "resound.socket:metrics"), ("NOTIFY_SOCKET", "@a")]);
        assert_eq!(sockets.socket_names, ["resound.socket", "metrics"]);
        assert_eq!(sockets.notify_socket.as_deref(), Some("@a"));
    }
}

//! The server process while it serves: what each signal and each request of a command does, and what the
//! service manager learns of it.
//!
//! Owns the reactions. Serving, draining and handing over are left to [`Server`].

use std::future::pending;
use std::pin::pin;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::pid_file::PidFile;
use super::reloading::Reloading;
use super::signals::{Response, Signals};
use super::upgrade;
use resound::config::{Config, SupervisionVariables};
use resound::server::{PassableSockets, Server};
use resound::supervision::{
    ControlRequest, ControlSocket, Notifier, Predecessor, Pulse, Successor, watch,
};

/// What was received from outside while the server runs.
enum Event {
    Signal(&'static str, Response),
    Request(ControlRequest),
    /// The process that was started to take over accepts connections, or will not.
    Successor(anyhow::Result<()>),
}

/// The process around the server.
struct Process<'a> {
    config: &'a Config,
    notifier: &'a Notifier,
    /// Dropped to stop the server.
    stop: Option<oneshot::Sender<()>>,
    cut_short: CancellationToken,
    handed_over: CancellationToken,
    sockets: PassableSockets,
    successor: Option<Successor>,
    /// Commands that wait for the successor.
    requests: Vec<ControlRequest>,
    reloading: Reloading<'a>,
    /// What the service manager shows of the process.
    status: String,
}

/// Serves until a signal has ended the drain, or another process has taken over.
pub(super) async fn serve_until_stopped(
    server: Server,
    config: &Config,
    (signals, mut control): (&mut Signals, ControlSocket),
    predecessor: Option<Predecessor>,
    reloading: Reloading<'_>,
) -> Result<(), Failure> {
    let supervision = SupervisionVariables::of_this_process();
    let notifier = Notifier::new(supervision.notify_socket.as_deref());
    let (stop, stopped) = oneshot::channel::<()>();
    let mut process = Process {
        config,
        notifier: &notifier,
        stop: Some(stop),
        cut_short: server.cut_short(),
        handed_over: server.handed_over(),
        sockets: server.passable_sockets(),
        successor: None,
        requests: Vec::new(),
        reloading,
        status: status(&server),
    };
    let (status, opened) = (process.status.clone(), server.opened());
    let mut reported = pin!(report(&notifier, &status, opened, predecessor, {
        supervision.watchdog.map(|timeout| (timeout, server.pulses()))
    }));
    let mut run = pin!(server.run(async {
        // An error is the sender gone, which is a reason to stop too.
        let _ = stopped.await;
    }));
    loop {
        let event = tokio::select! {
            done = &mut run => {
                done?;
                break;
            }
            (signal, response) = signals.next() => Event::Signal(signal, response),
            request = control.next() => Event::Request(request),
            () = process.reloading.watch.changed() => {
                Event::Signal("a file has changed", Response::Reload)
            }
            ready = ready(&mut process.successor) => Event::Successor(ready),
            () = &mut reported, if !process.handed_over.is_cancelled() => continue,
        };
        process.react(event).await?;
    }
    if process.cut_short.is_cancelled() {
        return Err(Failure::Impatience);
    }
    tracing::info!("stopped");
    Ok(())
}

impl Process<'_> {
    async fn react(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Signal(signal, Response::Drain) => {
                tracing::info!(signal, drain = ?self.config.server.drain, "stopping");
                if !self.handed_over.is_cancelled() {
                    self.notifier.stopping(self.config.server.drain);
                }
                if self.successor.is_some() {
                    self.give_up_upgrade("this process is stopping").await;
                }
                drop(self.stop.take());
            }
            Event::Signal(_, Response::CutShort) if self.cut_short.is_cancelled() => {
                return Err(Failure::Impatience);
            }
            Event::Signal(signal, Response::CutShort) => {
                tracing::warn!(
                    signal,
                    "a second signal: every socket is closed now, and the drain ends"
                );
                self.cut_short.cancel();
            }
            Event::Signal(signal, Response::Upgrade) => {
                tracing::info!(signal, "starting the process that takes over");
                self.upgrade().await;
            }
            Event::Signal(cause, Response::Reload) if self.handed_over.is_cancelled() => {
                tracing::info!(cause, "another process has taken over: nothing is read again here");
            }
            Event::Signal(cause, Response::Reload) => {
                self.notifier.reloading();
                self.reloading.reload(cause);
                self.notifier.ready(&self.status);
            }
            Event::Signal(signal, Response::Ignore(reason)) => {
                tracing::info!(signal, reason, "signal ignored");
            }
            Event::Request(request) if request.word == upgrade::WORD => {
                tracing::info!("starting the process that takes over, on request");
                self.requests.push(request);
                self.upgrade().await;
            }
            Event::Request(request) => {
                request.answer(Err("this version does not know the request".to_owned())).await;
            }
            Event::Successor(Ok(())) => self.hand_over().await,
            Event::Successor(Err(reason)) => self.give_up_upgrade(&format!("{reason:#}")).await,
        }
        Ok(())
    }

    /// Starts the successor, unless one is starting.
    async fn upgrade(&mut self) {
        if self.stop.is_none() || self.handed_over.is_cancelled() {
            return self.give_up_upgrade("this process ends already").await;
        }
        if self.successor.is_some() {
            return;
        }
        let sockets = self.sockets.duplicates();
        let timeout = self.config.server.upgrade_timeout;
        match sockets.and_then(|sockets| Successor::start(sockets, timeout)) {
            Ok(successor) => self.successor = Some(successor),
            Err(reason) => self.give_up_upgrade(&format!("{reason:#}")).await,
        }
    }

    /// The successor accepts connections: this process stops accepting, and closes its sockets at its pace.
    async fn hand_over(&mut self) {
        let Some(mut successor) = self.successor.take() else { return };
        let pid = successor.pid().unwrap_or_default();
        // The manager must know it before the successor reports its state itself.
        self.notifier.main_process(pid);
        if let Err(reason) = successor.take_over().await {
            self.successor = Some(successor);
            return self.give_up_upgrade(&format!("{reason:#}")).await;
        }
        tracing::info!(pid, "another process has taken over; this one closes its sockets");
        self.handed_over.cancel();
        let done = format!("process {pid} has taken over from process {}", std::process::id());
        self.answer(Ok(done)).await;
    }

    /// Ends the successor, if there is one: this process goes on.
    async fn give_up_upgrade(&mut self, reason: &str) {
        if let Some(successor) = self.successor.take() {
            successor.end().await;
            // It wrote its own id there.
            if let Some(Err(error)) = self.reloading.pid_file.as_ref().map(PidFile::write) {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the pid file names another process, so that `resound reload` does not find this one: make server.pid_file writable"
                );
            }
        }
        tracing::error!(reason, "the upgrade failed: no other process takes over");
        self.answer(Err(format!("the upgrade failed: {reason}"))).await;
    }

    async fn answer(&mut self, result: Result<String, String>) {
        for request in self.requests.drain(..) {
            request.answer(result.clone()).await;
        }
    }
}

/// Reports the state while this is the main process of the service; never ends.
async fn report(
    notifier: &Notifier,
    status: &str,
    opened: CancellationToken,
    predecessor: Option<Predecessor>,
    watchdog: Option<(std::time::Duration, Vec<Pulse>)>,
) {
    opened.cancelled().await;
    if let Some(predecessor) = predecessor {
        match predecessor.relieve().await {
            Ok(()) => tracing::info!("this process has taken over"),
            Err(error) => {
                tracing::warn!(%error, "the process that this one replaces goes on serving: end it with SIGTERM")
            }
        }
    }
    notifier.ready(status);
    match watchdog {
        Some((timeout, pulses)) => watch(notifier, timeout, pulses).await,
        None => pending().await,
    }
}

/// Waits for the successor; never returns without one.
async fn ready(successor: &mut Option<Successor>) -> anyhow::Result<()> {
    match successor {
        Some(successor) => successor.ready().await,
        None => pending().await,
    }
}

fn status(server: &Server) -> String {
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    format!("serving on {}", addresses.join(", "))
}

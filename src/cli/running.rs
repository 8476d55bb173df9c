//! The server process while it serves: what each signal does, and what the service manager learns of it.
//!
//! Owns the reactions. Serving and draining are left to [`Server`].

use std::future::pending;
use std::pin::pin;

use tokio::sync::oneshot;

use super::failure::Failure;
use super::signals::{Response, Signals};
use resound::config::{Config, SupervisionVariables};
use resound::server::Server;
use resound::supervision::{Notifier, watch};

/// Serves until a signal has ended the drain.
pub(super) async fn serve_until_stopped(
    server: Server,
    config: &Config,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let supervision = SupervisionVariables::of_this_process();
    let notifier = Notifier::new(supervision.notify_socket.as_deref());
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    let (opened, pulses) = (server.opened(), server.pulses());
    let watched = async {
        match supervision.watchdog {
            Some(timeout) => watch(&notifier, timeout, pulses).await,
            None => pending().await,
        }
    };
    let ready = async {
        opened.cancelled().await;
        notifier.ready(&format!("serving on {}", addresses.join(", ")));
        pending::<()>().await;
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let (mut stop, cut_short) = (Some(stop), server.cut_short());
    let mut run = pin!(server.run(async {
        // An error is the sender gone, which is a reason to stop too.
        let _ = stopped.await;
    }));
    let (mut watched, mut ready) = (pin!(watched), pin!(ready));
    loop {
        let (signal, response) = tokio::select! {
            done = &mut run => {
                done?;
                break;
            }
            received = signals.next() => received,
            () = &mut watched => continue,
            () = &mut ready => continue,
        };
        match response {
            Response::Drain => {
                tracing::info!(signal, drain = ?config.server.drain, "stopping");
                notifier.stopping(config.server.drain);
                drop(stop.take());
            }
            Response::CutShort if cut_short.is_cancelled() => return Err(Failure::Impatience),
            Response::CutShort => {
                tracing::warn!(
                    signal,
                    "a second signal: every socket is closed now, and the drain ends"
                );
                cut_short.cancel();
            }
            Response::Ignore(reason) => tracing::info!(signal, reason, "signal ignored"),
        }
    }
    if cut_short.is_cancelled() {
        return Err(Failure::Impatience);
    }
    tracing::info!("stopped");
    Ok(())
}

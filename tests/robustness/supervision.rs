//! What a service manager receives of the process: its states, and signs of life.

use std::time::Duration;

use tokio::net::UnixDatagram;

use crate::harness::wire::Wire;
use crate::harness::{Folder, Program, within};

/// The socket of a service manager.
pub(crate) struct ServiceManager {
    socket: UnixDatagram,
    pub(crate) path: String,
    _folder: Folder,
}

impl ServiceManager {
    pub(crate) fn listen() -> Self {
        let folder = Folder::new();
        let path = folder.path("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), path, _folder: folder }
    }

    /// The next datagram.
    pub(crate) async fn next(&self) -> String {
        let mut buffer = [0; 1024];
        let received = within("a notification", self.socket.recv(&mut buffer)).await.unwrap();
        String::from_utf8(buffer[..received].to_vec()).unwrap()
    }
}

#[tokio::test]
async fn each_state_is_reported_when_it_begins() {
    let manager = ServiceManager::listen();
    let program = Program::start(&[("NOTIFY_SOCKET", &manager.path)]).await;
    let ready = format!("READY=1\nSTATUS=serving on {}", program.address);
    assert_eq!(manager.next().await, ready);
    let mut socket = Wire::socket(program.address).await;
    program.terminate();
    let stopping = "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\nSTATUS=Closing the sockets";
    assert_eq!(manager.next().await, stopping);
    assert_eq!(socket.farewell().await.code, Some(4200));
    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn signs_of_life_come_within_the_time_of_the_watchdog() {
    let manager = ServiceManager::listen();
    let watchdog = Duration::from_secs(2);
    let microseconds = watchdog.as_micros().to_string();
    let variables = [("NOTIFY_SOCKET", &*manager.path), ("WATCHDOG_USEC", &microseconds)];
    let workers = ("RESOUND_SERVER_WORKERS", "2");
    let _program = Program::start(&[variables[0], variables[1], workers]).await;
    let mut signs = 0;
    while signs < 4 {
        let state = tokio::time::timeout(watchdog, manager.next()).await.expect("a sign of life");
        signs += usize::from(state == "WATCHDOG=1");
    }
}

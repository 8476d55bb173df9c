//! What the kernel allows: one thread that writes one frame to every socket, and nothing else.
//!
//! Owns the least a pool needs to be connected: the upgrade, a greeting, the answer to one
//! subscription. All sockets are on the only channel. It checks no signature, parses no JSON, keeps no
//! queue and notices no slow reader; a socket that takes nothing ends the process, because then
//! another thing would be measured.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use resound::protocol::Frame;
use slab::Slab;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::wire::{ClientFrame, Request};

mod wire;

const LISTENER: Token = Token(usize::MAX);

/// Read at once; a request of the bench has less.
const READ_BYTES: usize = 64 * 1024;

/// One connection, of a back end or upgraded.
struct Connection {
    stream: TcpStream,
    /// What has arrived of a request or a frame whose end has not.
    cut: Vec<u8>,
    upgraded: bool,
    subscribed: bool,
}

struct BareLoop {
    poll: Poll,
    connections: Slab<Connection>,
    subscribers: Vec<usize>,
    buffer: Box<[u8]>,
}

/// Serves for ever; the address is the one line on standard output.
pub(crate) fn run(port: u16) -> anyhow::Result<()> {
    let poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("{}", listener.local_addr()?);
    let buffer = vec![0; READ_BYTES].into_boxed_slice();
    let mut this = BareLoop { poll, connections: Slab::new(), subscribers: Vec::new(), buffer };
    let mut events = Events::with_capacity(1024);
    loop {
        match this.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            match event.token() {
                LISTENER => this.accept(&listener)?,
                Token(index) => this.read(index)?,
            }
        }
    }
}

impl BareLoop {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let entry = self.connections.vacant_entry();
            self.poll.registry().register(&mut stream, Token(entry.key()), Interest::READABLE)?;
            let (cut, upgraded, subscribed) = (Vec::new(), false, false);
            entry.insert(Connection { stream, cut, upgraded, subscribed });
        }
    }

    /// Everything there is to read of one connection.
    fn read(&mut self, index: usize) -> io::Result<()> {
        loop {
            let Some(connection) = self.connections.get_mut(index) else { return Ok(()) };
            let count = match connection.stream.read(&mut self.buffer) {
                Ok(0) => return self.drop_connection(index),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return self.drop_connection(index),
            };
            connection.cut.extend_from_slice(&self.buffer[..count]);
            self.take(index)?;
            // A short read: the kernel has no more, and reports when it has.
            if count < self.buffer.len() {
                return Ok(());
            }
        }
    }

    /// Every whole request or frame that has arrived.
    fn take(&mut self, index: usize) -> io::Result<()> {
        while let Some(connection) = self.connections.get_mut(index) {
            if connection.upgraded {
                let Some((frame, length)) = ClientFrame::read(&connection.cut) else { break };
                connection.cut.drain(..length);
                self.receive(index, &frame)?;
            } else {
                let Some((request, length)) = Request::read(&connection.cut) else { break };
                connection.cut.drain(..length);
                self.answer(index, request)?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, index: usize, request: Request) -> io::Result<()> {
        match request {
            Request::Upgrade { key } => {
                let accept = derive_accept_key(key.as_bytes());
                let mut bytes = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                )
                .into_bytes();
                bytes.extend_from_slice(wire::greeting(index).as_bytes());
                self.connections[index].upgraded = true;
                self.write(index, &bytes)
            }
            Request::Trigger(frame) => {
                self.publish(&frame)?;
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                              Content-Length: 2\r\n\r\n{}";
                self.write(index, answer.as_bytes())
            }
        }
    }

    /// The floor: one write for each socket.
    fn publish(&mut self, frame: &Frame) -> io::Result<()> {
        for at in 0..self.subscribers.len() {
            self.write(self.subscribers[at], frame.as_bytes())?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize, frame: &ClientFrame) -> io::Result<()> {
        match frame {
            ClientFrame::Subscribe { channel } => {
                let connection = &mut self.connections[index];
                if !std::mem::replace(&mut connection.subscribed, true) {
                    self.subscribers.push(index);
                }
                self.write(index, wire::subscribed(channel).as_bytes())
            }
            ClientFrame::Ping => self.write(index, wire::PONG),
            ClientFrame::Close => self.drop_connection(index),
            ClientFrame::Other => Ok(()),
        }
    }

    fn write(&mut self, index: usize, bytes: &[u8]) -> io::Result<()> {
        match self.connections[index].stream.write(bytes) {
            Ok(count) if count == bytes.len() => Ok(()),
            Ok(_) => Err(io::Error::new(ErrorKind::WriteZero, "a socket took half a frame")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(error),
            // Gone; the end of its stream is about to be read.
            Err(_) => Ok(()),
        }
    }

    fn drop_connection(&mut self, index: usize) -> io::Result<()> {
        let mut connection = self.connections.remove(index);
        if connection.subscribed {
            self.subscribers.retain(|subscriber| *subscriber != index);
        }
        self.poll.registry().deregister(&mut connection.stream)
    }
}

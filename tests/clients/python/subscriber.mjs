// Owns the listening side of the Python suite: a stock pusher-js client driven line by line over stdin and stdout.
//
//   in:  {"subscribe": "channel"}   {"authorized": id, "answer": {...}}   {"whisper": "channel", "event": "client-x", "data": ...}
//   out: {"connected": socket_id}   {"authorize": id, "socket_id": ..., "channel": ...}   {"subscribed": channel}
//        {"refused": channel}       {"event": ..., "channel": ..., "data": ...}           {"disconnected": [codes]}

import { createInterface } from 'node:readline';
import Pusher from 'pusher-js';

const [host, port, key] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const waiting = new Map();
const codes = [];

const pusher = new Pusher(key, {
  wsHost: host,
  wsPort: Number(port),
  forceTLS: false,
  enabledTransports: ['ws', 'wss'],
  cluster: '',
  channelAuthorization: {
    customHandler: ({ socketId, channelName }, done) => {
      const id = `${socketId}/${channelName}`;
      waiting.set(id, done);
      say({ authorize: id, socket_id: socketId, channel: channelName });
    },
  },
});

pusher.connection.bind('connected', () => say({ connected: pusher.connection.socket_id }));
pusher.connection.bind('disconnected', () => say({ disconnected: codes }));
pusher.connection.bind('error', (report) => codes.push((report.error?.data ?? report.data)?.code ?? null));

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const order = JSON.parse(line);
    if (order.subscribe) subscribe(order.subscribe);
    if (order.authorized) waiting.get(order.authorized)(null, order.answer);
    if (order.whisper) pusher.channel(order.whisper).trigger(order.event, order.data);
  })
  .on('close', () => process.exit());

function subscribe(name) {
  const channel = pusher.subscribe(name);
  channel.bind_global((event, data) => {
    if (event === 'pusher:subscription_succeeded') say({ subscribed: name });
    else if (event === 'pusher:subscription_error') say({ refused: name });
    else if (!event.startsWith('pusher:')) say({ event, channel: name, data });
  });
}

// Owns what runs inside the browser: stock libraries, made as in the Laravel documentation, and a log of what they report.
// The suites read `log` and call these functions; nothing here depends on the server beyond `options`.

import Echo from 'laravel-echo';
import Pusher from 'pusher-js';
import PusherWithEncryption from 'pusher-js/with-encryption';
import { configureVue, mountVue, unmountVue } from './vue.js';

const log = [];
const waiting = new Set();

function note(...entry) {
  log.push(entry);
  for (const look of [...waiting]) look();
}

/** Resolves when `entry`, as JSON, has been logged `count` times. */
function logged(entry, count) {
  return new Promise((resolve) => {
    const look = () => {
      if (log.filter((line) => JSON.stringify(line) === entry).length < count) return;
      waiting.delete(look);
      resolve();
    };
    waiting.add(look);
    look();
  });
}

/** Exactly what a Laravel application with Reverb configures. */
function options({ key, host, port }) {
  return {
    broadcaster: 'reverb',
    key,
    wsHost: host,
    wsPort: port,
    forceTLS: false,
    enabledTransports: ['ws', 'wss'],
    authEndpoint: '/broadcasting/auth',
  };
}

/** Creates `window.Echo`; the log has each state and each error code of its connection. */
function open(target, { encryption = false } = {}) {
  window.Pusher = encryption ? PusherWithEncryption : Pusher;
  window.Echo = new Echo(options(target));
  const { connection } = window.Echo.connector.pusher;
  note('state', connection.state);
  connection.bind('state_change', ({ current }) => note('state', current));
  connection.bind('error', (report) => note('error', (report.error?.data ?? report.data)?.code ?? null));
  connection.bind('connecting_in', (seconds) => note('retry in', seconds));
}

const OPEN = {
  public: (name) => window.Echo.channel(name),
  private: (name) => window.Echo.private(name),
  presence: (name) => window.Echo.join(name),
  encrypted: (name) => window.Echo.encryptedPrivate(name),
};

/** Opens a channel, logs everything Echo reports about it, and resolves when it is subscribed or refused. */
function listen(kind, name, events = []) {
  const channel = OPEN[kind](name);
  for (const event of events) channel.listen(event, (data) => note(event, data));
  channel.on('pusher:cache_miss', () => note('cache miss', name));
  if (kind === 'presence') {
    channel.here((users) => note('here', users));
    channel.joining((user) => note('joining', user));
    channel.leaving((user) => note('leaving', user));
  }
  if (kind === 'private' || kind === 'presence') channel.listenForWhisper('typing', (data) => note('typing', data));
  return new Promise((resolve) => {
    channel.subscribed(() => resolve('subscribed'));
    channel.error((error) => {
      note('refused', error.type, error.status);
      resolve('refused');
    });
  });
}

/** Mounts and unmounts a listener `rounds` times without waiting, then leaves it mounted. */
function storm(kind, name, event, rounds) {
  const heard = (data) => note(event, data);
  for (let round = 0; round < rounds; round += 1) {
    OPEN[kind](name).listen(event, heard).stopListening(event, heard);
    window.Echo.leave(name);
  }
  const channel = OPEN[kind](name).listen(event, heard);
  return new Promise((resolve) => channel.subscribed(() => resolve('subscribed')));
}

const whisper = (kind, name, data) => void OPEN[kind](name).whisper('typing', data);

/** The request an application's page makes for an action that broadcasts `toOthers()`. */
async function post(channel, event, data) {
  const headers = { 'content-type': 'application/json', 'X-Socket-ID': window.Echo.socketId() };
  const answer = await fetch('/broadcast', { method: 'POST', headers, body: JSON.stringify({ channel, event, data }) });
  return answer.status;
}

/** What the browser's own WebSocket negotiated. */
const extensions = () => window.Echo.connector.pusher.connection.connection.transport.socket.extensions;

const vue = {
  configure: (target) => configureVue(options(target)),
  mount: (name, props) => mountVue(name, props, note),
  unmount: unmountVue,
};

window.client = { log, logged, open, listen, storm, whisper, post, extensions, vue };

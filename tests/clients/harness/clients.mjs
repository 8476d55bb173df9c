// Owns stock clients inside Node: Laravel Echo and bare pusher-js, what they report, and a tap on the text frames they read.

import Echo from 'laravel-echo';
import Pusher from 'pusher-js';
import { APP } from './server.mjs';
import { Inbox, within } from './until.mjs';

/** Exactly the options the Laravel documentation prescribes for Reverb. */
function reverbOptions(server, backend, user, key) {
  return {
    broadcaster: 'reverb',
    key,
    wsHost: server.host,
    wsPort: server.port,
    forceTLS: false,
    enabledTransports: ['ws', 'wss'],
    authEndpoint: `${backend.url}/broadcasting/auth`,
    auth: { headers: user ? { Authorization: `Bearer ${user}` } : {} },
  };
}

/** A Laravel Echo for `user`, connected; it goes away with the test `t`. */
export async function connectEcho(t, { server, backend }, user, { key = APP.key } = {}) {
  const echo = openEcho(t, { server, backend }, user, { key });
  await state(echo.connector.pusher, 'connected');
  return echo;
}

/** The same without waiting for the connection. */
export function openEcho(t, { server, backend }, user, { key = APP.key } = {}) {
  const echo = new Echo({ ...reverbOptions(server, backend, user, key), Pusher });
  t.after(() => echo.disconnect());
  return echo;
}

/** A bare pusher-js client, not necessarily connected yet; it goes away with the test `t`. */
export function openPusher(t, { server, backend }, user, { key = APP.key } = {}) {
  const { broadcaster, key: _, auth, authEndpoint, ...network } = reverbOptions(server, backend, user, key);
  const pusher = new Pusher(key, {
    ...network,
    cluster: '',
    channelAuthorization: { endpoint: authEndpoint, transport: 'ajax', headers: auth.headers },
    userAuthentication: { endpoint: `${backend.url}/broadcasting/user-auth`, transport: 'ajax', headers: auth.headers },
  });
  t.after(() => pusher.disconnect());
  return pusher;
}

/** The same, connected. */
export async function connectPusher(t, world, user, options) {
  const pusher = openPusher(t, world, user, options);
  await state(pusher, 'connected');
  return pusher;
}

/** Resolves when the connection of `pusher` is in `wanted`. */
export async function state(pusher, wanted, deadline) {
  if (pusher.connection.state === wanted) return;
  const reached = new Promise((resolve) => pusher.connection.bind(wanted, resolve));
  await within(reached, () => `state ${wanted} (it is ${pusher.connection.state})`, deadline);
}

/** Resolves when `channel`, of Echo or of pusher-js, is subscribed; rejects when it is refused. Gives the channel back. */
export async function subscribed(channel) {
  const inner = channel.subscription ?? channel;
  if (inner.subscribed) return channel;
  const outcome = new Promise((resolve, reject) => {
    inner.bind('pusher:subscription_succeeded', resolve);
    inner.bind('pusher:subscription_error', (error) => reject(new Error(`${inner.name}: ${JSON.stringify(error)}`)));
  });
  await within(outcome, `subscription to ${inner.name}`);
  return channel;
}

/** Signs `pusher` in and resolves when its user's channel answers; from then on it signs in again by itself on every connection. */
export async function signedIn(pusher) {
  pusher.signin();
  await within(pusher.user.signinDonePromise, 'sign-in');
  const own = pusher.user.serverToUserChannel;
  if (!own) throw new Error('the sign-in failed');
  await subscribed(own);
  return pusher;
}

/** All `error` reports of the connection, flattened to `{ code, message }`. */
export function errorsOf(pusher) {
  const inbox = new Inbox('errors');
  pusher.connection.bind('error', (report) => {
    const { code = null, message } = report?.error?.data ?? report?.data ?? {};
    inbox.put({ code, message });
  });
  return inbox;
}

/** All state changes of the connection from now on, as names. */
export function statesOf(pusher) {
  const inbox = new Inbox('states');
  pusher.connection.bind('state_change', ({ current }) => inbox.put(current));
  return inbox;
}

/** Everything sent on this connection so far has been handled by the server when this resolves: a ping and its pong. */
export async function roundTrip(pusher) {
  let listen;
  const pong = new Promise((resolve) => {
    listen = ({ event }) => event === 'pusher:pong' && resolve();
    pusher.connection.bind('message', listen);
  });
  pusher.connection.send_event('pusher:ping', {});
  await within(pong, 'pusher:pong');
  pusher.connection.unbind('message', listen);
}

/** The text frames read by all pusher-js sockets of this process that are opened after the call, as they came. */
export function tap(t) {
  const inbox = new Inbox('frames');
  listenToSockets(t, 'message', ({ data }) => inbox.put(data));
  return inbox;
}

/** The codes with which all pusher-js sockets of this process that are opened after the call are closed by the server. */
export function closes(t) {
  const inbox = new Inbox('close codes');
  listenToSockets(t, 'close', ({ code }) => inbox.put(code));
  return inbox;
}

function listenToSockets(t, what, listener) {
  const runtime = Pusher.Runtime;
  const open = runtime.createWebSocket;
  runtime.createWebSocket = function (...args) {
    const socket = open.apply(this, args);
    socket.addEventListener(what, listener);
    return socket;
  };
  t.after(() => (runtime.createWebSocket = open));
}

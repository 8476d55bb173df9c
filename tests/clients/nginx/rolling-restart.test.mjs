// Owns a rolling restart of two nodes behind Nginx while 100 events a second are published: none is refused, and no socket that stays
// connected loses one.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, errorsOf, Inbox, ownCluster, PATIENT, sdk, state, subscribed } from '../harness.mjs';
import { documented, startNginx } from './harness.mjs';

const PER_SECOND = 100;
// pusher-js tries again after a second where it was answered with 4100, and after fifteen where it was refused.
const COMEBACK = 35_000;
const CHANNEL = 'private-rolling';

/** Publishes the numbers 0, 1, 2 … at an even rate, whether or not they are answered, until `stop()`. */
function publisher(server) {
  const flow = { sent: [], refused: [] };
  const [pusher, began, open] = [sdk(server), performance.now(), new Set()];
  const publish = (number) => {
    flow.sent.push({ began: performance.now() });
    const answered = () => (flow.sent[number].answered = performance.now());
    const call = pusher.trigger(CHANNEL, 'e', number).then(answered, (error) => flow.refused.push(`${number}: ${error.status ?? error}`));
    open.add(call);
    call.finally(() => open.delete(call));
  };
  const timer = setInterval(() => {
    while (flow.sent.length < ((performance.now() - began) * PER_SECOND) / 1000) publish(flow.sent.length);
  }, 5);
  flow.stop = async () => {
    clearInterval(timer);
    await Promise.all(open);
  };
  return flow;
}

/** A subscriber, and the times between which it was subscribed, with the numbers that it received. */
async function subscriber(t, world, user) {
  const pusher = await connectPusher(t, world, user);
  const [errors, stays, last] = [errorsOf(pusher), [], new Inbox('last')];
  const channel = pusher.subscribe(CHANNEL);
  channel.bind('pusher:subscription_succeeded', () => stays.push({ from: performance.now(), received: new Set() }));
  channel.bind('e', (number) => stays.at(-1).received.add(number));
  channel.bind('last', last.put);
  pusher.connection.bind('state_change', ({ current }) => {
    if (current !== 'connected') stays.at(-1).to ??= performance.now();
  });
  await subscribed(channel);
  return { user, pusher, channel, errors, stays, last };
}

/** Events that were published and answered while `subscriber` was subscribed, before the stop that ended it, and that it missed. */
function lost({ stays }, flow, stops) {
  return stays.flatMap(({ from, to = Infinity, received }) => {
    const until = stops.filter((stop) => stop < to).at(-1);
    const end = to === Infinity || until === undefined || until < from ? to : until;
    return flow.sent.flatMap(({ began, answered }, number) => (began > from && answered < end && !received.has(number) ? [number] : []));
  });
}

async function restartOneByOne(t, options) {
  const cluster = await ownCluster(t, { nodes: 2, hosts: ['127.0.0.1', '127.0.0.2'], cluster: PATIENT });
  const nginx = await startNginx(cluster.nodes.map(({ server }) => server), options);
  t.after(() => nginx.stop());
  const proxy = { server: nginx, backend: cluster.backend };
  const worlds = [...Array(8).fill(proxy), ...cluster.nodes.flatMap((node) => [node, node])];
  const subscribers = await Promise.all(worlds.map((world, at) => subscriber(t, world, `user${at}`)));
  const flow = publisher(nginx);
  const atLeast = (count) => new Promise((resolve) => {
    const timer = setInterval(() => flow.sent.length >= count && resolve(clearInterval(timer)), 10);
  });
  const stops = [];
  await atLeast(PER_SECOND);
  for (const { server } of cluster.nodes) {
    stops.push(performance.now());
    const began = performance.now();
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    t.diagnostic(`stopped in ${Math.round(performance.now() - began)} ms`);
    await server.start();
    await cluster.untilJoined(2);
    await atLeast(flow.sent.length + PER_SECOND);
  }
  await Promise.all(subscribers.map(({ pusher }) => state(pusher, 'connected', COMEBACK)));
  await Promise.all(subscribers.map(({ channel }) => subscribed(channel)));
  await flow.stop();
  await cluster.nodes[0].pusher.trigger(CHANNEL, 'last', {});
  await Promise.all(subscribers.map(({ last }) => last.until(1)));

  t.diagnostic(`${flow.sent.length} events`);
  assert.equal(flow.refused.length, 0, `refused: ${flow.refused.slice(0, 10).join('; ')}\n${nginx.log().slice(-2000)}`);
  for (const one of subscribers) {
    const missed = lost(one, flow, stops);
    assert.equal(missed.length, 0, `${one.user} missed ${missed.slice(0, 10)}`);
    const left = one.errors.items.map(({ code }) => code);
    assert.ok(one.stays.length > 1 && left.includes(4200) && left.every((code) => code === 4200 || code === 4100), `${one.user}: ${left}`);
  }
}

describe('two nodes behind Nginx, restarted one after the other', { concurrency: false }, () => {
  test('with docker/nginx.conf: no publish is refused, and no event is lost', (t) => restartOneByOne(t));
  test('with docker/proxies/nginx.conf, which keeps connections open: no publish is refused, and no event is lost', (t) => restartOneByOne(t, { site: documented }));
});

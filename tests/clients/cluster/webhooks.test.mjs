// Owns webhooks over several nodes with the same endpoint: one of them sends each event, once.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, ownCluster, sharedCluster, subscribed, webhooks } from '../harness.mjs';

const HOLD = 3000;
// How early a timer of another process may seem to fire.
const SLACK = 100;
// A lease, the hold, and a heartbeat of the node that sends.
const TOLD_AFTER_KILL = 12_000;

describe('webhooks of three nodes', { concurrency: true }, () => {
  const hooks = webhooks({ subscription_count_events: true });
  const shared = sharedCluster({ app: hooks.app });

  /** A test with an endpoint of its own: it receives the events of channels whose names end with the topic. */
  function about(topic, title, run) {
    const endpoint = hooks.endpoint({ channel_suffix: `-${topic}` });
    test(title, (t) => run(t, endpoint));
  }

  /** A client of `node` on these channels. */
  async function client(t, node, user, ...channels) {
    const pusher = await connectPusher(t, node, user);
    for (const channel of channels) await subscribed(pusher.subscribe(channel));
    return pusher;
  }

  /** All that was received, without that of the markers: what was held before each node had a channel come and go is among it. */
  async function receivedInAll(t, endpoint, topic, nodes, deadline) {
    for (const [at, node] of nodes.entries()) (await client(t, node, 'marker', `marker-${at}-${topic}`)).disconnect();
    for (const at of nodes.keys()) await endpoint.received('channel_vacated', `marker-${at}-${topic}`, deadline);
    assert.ok(endpoint.calls.items.every(({ valid }) => valid));
    return endpoint.events.items.filter(({ channel }) => !channel.startsWith('marker-'));
  }

  const sorted = (list) => list.map((one) => JSON.stringify(one)).sort();
  const of = (items, wanted) => items.filter(({ name }) => wanted.includes(name));

  about('once', 'occupied, vacated, cache_miss, client_event and each subscription_count are sent once', async (t, endpoint) => {
    const channel = 'private-cache-once';
    const clients = [];
    const receivedCounts = () => endpoint.events.items.filter((one) => one.name === 'subscription_count').map((one) => one.subscription_count);
    const untilCounts = async (wanted) => {
      await endpoint.events.until(() => receivedCounts().length >= wanted.length);
      assert.deepEqual(receivedCounts(), wanted);
    };
    for (const [at, node] of shared.nodes.entries()) {
      clients.push(await client(t, node, 'ada', channel));
      await untilCounts([1, 2, 3].slice(0, at + 1));
    }
    clients[1].channel(channel).trigger('client-hi', { a: 1 });
    await endpoint.received('client_event', channel);
    clients[0].disconnect();
    await untilCounts([1, 2, 3, 2]);
    clients[2].unsubscribe(channel);
    await untilCounts([1, 2, 3, 2, 1]);
    clients[1].disconnect();
    await endpoint.received('channel_vacated', channel);
    const all = (await receivedInAll(t, endpoint, 'once', shared.nodes)).filter(({ name }) => name !== 'subscription_count');
    const [whisper, ...more] = of(all, ['client_event']);
    assert.deepEqual([whisper.event, JSON.parse(whisper.data), whisper.socket_id.split('.').length, more], ['client-hi', { a: 1 }, 2, []]);
    assert.deepEqual(sorted(all.filter(({ name }) => name !== 'client_event')), sorted([
      { name: 'channel_occupied', channel },
      { name: 'cache_miss', channel },
      { name: 'channel_vacated', channel },
    ]));
  });

  about('rush', 'all come at the same time and go at the same time: one occupied, one vacated', async (t, endpoint) => {
    const channel = 'private-rush';
    const clients = await Promise.all([0, 1, 2, 0, 1, 2].map((at) => client(t, shared.nodes[at], 'ada')));
    await Promise.all(clients.map((pusher) => subscribed(pusher.subscribe(channel))));
    for (const pusher of clients) pusher.disconnect();
    const received = of(await receivedInAll(t, endpoint, 'rush', shared.nodes), ['channel_occupied', 'channel_vacated']);
    assert.deepEqual(received, [{ name: 'channel_occupied', channel }, { name: 'channel_vacated', channel }]);
  });

  about('member', 'member_added and member_removed are sent once per user, three seconds after the last tab of all nodes went', async (t, endpoint) => {
    const channel = 'presence-member';
    const keeper = await client(t, shared.nodes[1], 'keeper', channel);
    const tabs = await Promise.all([0, 1, 2].map((at) => client(t, shared.nodes[at], 'ada', channel)));
    const bob = await client(t, shared.nodes[2], 'bob', channel);
    tabs[0].disconnect();
    await shared.cluster.untilAllReport(channel, 'subscription_count', { subscription_count: 4 });
    for (const pusher of [...tabs, bob]) pusher.disconnect();
    const left = Date.now();
    await shared.cluster.untilPresent(channel, ['keeper']);
    await endpoint.received('member_removed', channel);
    const removal = endpoint.calls.items.find(({ events }) => events.some(({ name }) => name === 'member_removed'));
    assert.ok(removal.at - left >= HOLD - SLACK, `after ${removal.at - left} ms`);
    const received = await receivedInAll(t, endpoint, 'member', shared.nodes);
    const member = (name, user) => ({ name, channel, user_id: user });
    assert.deepEqual(sorted(of(received, ['channel_occupied', 'channel_vacated', 'member_added', 'member_removed'])), sorted([
      { name: 'channel_occupied', channel },
      ...['keeper', 'ada', 'bob'].map((user) => member('member_added', user)),
      ...['ada', 'bob'].map((user) => member('member_removed', user)),
    ]));
    assert.equal(keeper.connection.state, 'connected');
  });

  about('page', 'a page change from one node to another within three seconds causes no webhook, alone on the channel or not', async (t, endpoint) => {
    const channels = ['presence-page', 'private-page'];
    let pusher = await client(t, shared.nodes[0], 'ada', ...channels);
    for (const at of [1, 2, 0]) {
      pusher.disconnect();
      for (const channel of channels) await shared.cluster.untilAllReport(channel, undefined, { occupied: false });
      pusher = await client(t, shared.nodes[at], 'ada', ...channels);
    }
    const kinds = ['channel_occupied', 'channel_vacated', 'member_added', 'member_removed'];
    const received = of(await receivedInAll(t, endpoint, 'page', shared.nodes), kinds);
    assert.deepEqual(received, [
      { name: 'channel_occupied', channel: 'presence-page' },
      { name: 'member_added', channel: 'presence-page', user_id: 'ada' },
      { name: 'channel_occupied', channel: 'private-page' },
    ]);
    pusher.disconnect();
    await endpoint.received('channel_vacated', 'private-page');
    await endpoint.received('member_removed', 'presence-page');
  });

  about('killed', 'of a node that was killed a survivor tells member_removed, channel_vacated and the counts, once', async (t, endpoint) => {
    const cluster = await ownCluster(t, { app: hooks.app });
    const [killed, ...survivors] = cluster.nodes;
    const keeper = await client(t, survivors[0], 'keeper', 'presence-killed');
    const gone = [
      await client(t, killed, 'ada', 'presence-killed', 'presence-alone-killed', 'private-killed'),
      await client(t, killed, 'bob', 'presence-killed', 'private-both-killed'),
      await client(t, killed, 'keeper', 'presence-killed'),
    ];
    await client(t, survivors[1], 'bob', 'private-both-killed');
    const began = Date.now();
    const dead = killed.server.kill();
    gone.forEach((pusher) => pusher.disconnect());
    await dead;
    await endpoint.received('member_removed', 'presence-killed', TOLD_AFTER_KILL);
    t.diagnostic(`received ${Date.now() - began} ms after the kill`);
    const all = await receivedInAll(t, endpoint, 'killed', survivors, TOLD_AFTER_KILL);
    const received = of(all, ['channel_vacated', 'member_removed']);
    assert.deepEqual(sorted(received), sorted([
      { name: 'member_removed', channel: 'presence-killed', user_id: 'ada' },
      { name: 'member_removed', channel: 'presence-killed', user_id: 'bob' },
      { name: 'member_removed', channel: 'presence-alone-killed', user_id: 'ada' },
      { name: 'channel_vacated', channel: 'presence-alone-killed' },
      { name: 'channel_vacated', channel: 'private-killed' },
    ]));
    const counts = of(all, ['subscription_count']).filter(({ channel }) => channel === 'private-both-killed');
    assert.deepEqual(counts.map((one) => one.subscription_count), [1, 2, 1]);
    assert.equal(keeper.connection.state, 'connected');
  });

  about('asked', 'clients of a node that was stopped, and that come back on another one, cause no webhook', async (t, endpoint) => {
    const cluster = await ownCluster(t, { app: hooks.app });
    const channel = 'presence-asked';
    const before = await client(t, cluster.nodes[0], 'ada', channel);
    await cluster.nodes[0].server.stop();
    before.disconnect();
    await client(t, cluster.nodes[1], 'ada', channel);
    const kinds = ['channel_occupied', 'channel_vacated', 'member_added', 'member_removed'];
    const received = of(await receivedInAll(t, endpoint, 'asked', cluster.running), kinds);
    assert.deepEqual(received, [{ name: 'channel_occupied', channel }, { name: 'member_added', channel, user_id: 'ada' }]);
  });
});

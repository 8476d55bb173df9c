// Owns stock clients of two nodes on a Redis Cluster with four partitions: what they see while everything runs, and while a master is killed.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectEcho, connectPusher, Inbox, mark, present, sharedCluster, subscribed } from '../harness.mjs';

// Over four partitions: names are spread by their hash, so many of them meet all.
const ROOMS = Array.from({ length: 12 }, (_, at) => `presence-room-${at}`);

describe('two nodes on a Redis Cluster with four partitions', () => {
  const shared = sharedCluster({ nodes: 2, redisCluster: true, cluster: { partitions: 4 } });

  /** Someone on node `at` who is in these rooms. */
  async function visitor(t, at, user, rooms) {
    const pusher = await connectPusher(t, shared.nodes[at], user);
    const books = await Promise.all(rooms.map((room) => present(pusher, room)));
    return { user, pusher, books };
  }

  const rosters = (visitors, rooms, users) => {
    const wanted = JSON.stringify([...users].sort());
    const same = (book) => JSON.stringify([...(book.present ?? [])].sort()) === wanted;
    return Promise.all(rooms.flatMap((_, at) => visitors.map(({ books }) => books[at].received.until(() => same(books[at])))));
  };

  test('members of rooms in all partitions see each other from both nodes, and no change twice', async (t) => {
    const rooms = ROOMS.map((room) => `${room}-seen`);
    const all = await Promise.all(['ann', 'bob', 'eve'].map((user, at) => visitor(t, at % 2, user, rooms)));
    await rosters(all, rooms, ['ann', 'bob', 'eve']);
    all[2].pusher.disconnect();
    await rosters(all.slice(0, 2), rooms, ['ann', 'bob']);
    const listed = await (await shared.nodes[1].pusher.get({ path: '/channels', params: { filter_by_prefix: 'presence-room-' } })).json();
    assert.deepEqual(Object.keys(listed.channels).sort(), [...rooms].sort());
    assert.deepEqual(all.flatMap(({ books }) => books.flatMap(({ faults }) => faults)), []);
  });

  test('a trigger through either node reaches both, and not the socket that it excepts', async (t) => {
    const channels = Array.from({ length: 8 }, (_, at) => `orders-${at}`);
    const ears = await Promise.all([0, 1].map((at) => connectPusher(t, shared.nodes[at], `ear-${at}`)));
    const heard = ears.map(() => new Inbox('events'));
    for (const [at, ear] of ears.entries()) {
      for (const channel of channels) {
        const joined = ear.subscribe(channel);
        joined.bind('placed', (data) => heard[at].put(`${channel} ${data.from}`));
        await subscribed(joined);
      }
    }
    for (const [at, node] of shared.nodes.entries()) {
      for (const channel of channels) await node.pusher.trigger(channel, 'placed', { from: at });
      const except = { socket_id: ears[at].connection.socket_id };
      for (const channel of channels) await node.pusher.trigger(channel, 'placed', { from: `${at}, to others` }, except);
    }
    for (const at of [0, 1]) {
      const wanted = channels.flatMap((channel) => [0, 1, `${1 - at}, to others`].map((from) => `${channel} ${from}`));
      await heard[at].until(wanted.length);
      // An event more would come before this one of the same channel.
      for (const channel of channels) await shared.nodes[at].pusher.trigger(channel, 'placed', { from: 'end' });
      const ends = (items) => channels.every((channel) => items.includes(`${channel} end`));
      await heard[at].until(ends);
      assert.deepEqual(heard[at].items.filter((item) => !item.endsWith(' end')).sort(), wanted.sort());
    }
  });

  test('Echo whispers from one node to the other, in channels of all partitions', async (t) => {
    const echoes = [await connectEcho(t, shared.nodes[0], 'ann'), await connectEcho(t, shared.nodes[1], 'bob')];
    const heard = new Inbox('whispers');
    for (let at = 0; at < 8; at += 1) {
      const [mine, theirs] = echoes.map((echo) => echo.private(`chat-${at}`));
      const both = [mine, theirs].map((channel) => new Promise((joined) => channel.subscribed(joined)));
      theirs.listenForWhisper('typing', heard.put);
      await Promise.all(both);
      mine.whisper('typing', { at });
    }
    await heard.until(8);
    assert.deepEqual(heard.items.map(({ at }) => at).sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  });

  // The last one: the Redis Cluster has one node less behind it.
  test('a master is killed: no member leaves who did not, and afterwards all is as before', async (t) => {
    const visitors = await Promise.all(['ann', 'bob', 'eve', 'joe'].map((user, at) => visitor(t, at % 2, user, ROOMS)));
    await rosters(visitors, ROOMS, ['ann', 'bob', 'eve', 'joe']);
    const linksLost = () => Promise.all(shared.nodes.map((node) => node.metric('links_lost_total')));
    const before = await linksLost();
    // It has the slot of the second partition.
    await shared.cluster.redis.killMaster(0);
    await shared.cluster.untilJoined(2);
    for (const [at, lost] of (await linksLost()).entries()) assert.ok(lost > before[at], `node ${at} lost no link`);
    const late = await visitor(t, 1, 'late', ROOMS);
    await rosters([...visitors, late], ROOMS, ['ann', 'bob', 'eve', 'joe', 'late']);
    for (const [at, room] of ROOMS.entries()) {
      await mark(shared.nodes[at % 2], room, visitors.map(({ books }) => books[at].received));
    }
    for (const { books, user } of visitors) {
      const left = books.flatMap(({ received }) => received.items.filter(([event]) => event === 'member_removed'));
      assert.deepEqual(left, [], `${user} saw a member leave`);
      assert.deepEqual(books.flatMap(({ faults }) => faults), []);
    }
    for (const { pusher } of visitors) assert.equal(pusher.connection.state, 'connected');
    shared.cluster.assertAllRun();
  });
});

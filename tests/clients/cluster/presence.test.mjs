// Owns presence over several nodes: a user is one member however many tabs on however many nodes, and all rosters are one.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, Inbox, mark, present, sharedCluster, subscribed, userInfo } from '../harness.mjs';

/** The members as a stock channel holds them. */
function membersOf(pusher, channel) {
  const all = {};
  pusher.channel(channel).members.each(({ id, info }) => (all[id] = info));
  return all;
}

describe('presence over three nodes', () => {
  const shared = sharedCluster();

  /** A tab of `user` on node `at`. */
  async function tab(t, at, user, channel) {
    const pusher = await connectPusher(t, shared.nodes[at], user);
    return { pusher, user, book: await present(pusher, channel) };
  }

  /** What `book` received up to now, from `since` on. */
  const received = async (book, channel, since = 0) => (await mark(shared.nodes[2], channel, [book.received]))[0].slice(since);

  test('three tabs of each of two users over the nodes: one member_added and one member_removed per user', async (t) => {
    const channel = 'presence-tabs';
    const witness = await tab(t, 0, 'witness', channel);
    const tabs = [];
    for (const at of [0, 1, 2]) for (const user of ['ada', 'bob']) tabs.push(await tab(t, at, user, channel));
    assert.deepEqual((await received(witness.book, channel)).slice(1), [['member_added', 'ada'], ['member_added', 'bob']]);

    const everybody = { ada: userInfo('ada'), bob: userInfo('bob'), witness: userInfo('witness') };
    for (const { pusher, user, book } of [...tabs, witness]) {
      const { members } = pusher.channel(channel);
      // The first tabs see the later users come, in the events that the witness received above.
      await book.received.until(() => book.present.size === 3);
      assert.deepEqual(membersOf(pusher, channel), everybody);
      assert.deepEqual([members.count, members.me], [3, { id: user, info: userInfo(user) }]);
    }
    await shared.cluster.untilPresent(channel, ['ada', 'bob', 'witness']);
    await shared.cluster.untilAllReport(channel, 'user_count,subscription_count', { user_count: 3, subscription_count: 7 });

    const since = (await received(witness.book, channel)).length;
    for (const { pusher } of tabs.slice(0, 4)) pusher.disconnect();
    await shared.cluster.untilAllReport(channel, 'user_count,subscription_count', { user_count: 3, subscription_count: 3 });
    assert.deepEqual(await received(witness.book, channel, since), [], 'no member has left yet');
    tabs[4].pusher.disconnect();
    await shared.cluster.untilPresent(channel, ['bob', 'witness']);
    tabs[5].pusher.unsubscribe(channel);
    await shared.cluster.untilPresent(channel, ['witness']);
    assert.deepEqual(await received(witness.book, channel, since), [['member_removed', 'ada'], ['member_removed', 'bob']]);
    assert.deepEqual([witness, ...tabs].flatMap(({ book }) => book.faults), []);
  });

  test('a second tab on another node is announced to no member, and neither is the end of the first one', async (t) => {
    const channel = 'presence-second';
    const witness = await tab(t, 2, 'witness', channel);
    const first = await tab(t, 0, 'ada', channel);
    const second = await tab(t, 1, 'ada', channel);
    first.pusher.disconnect();
    await shared.cluster.untilAllReport(channel, 'subscription_count', { subscription_count: 2 });
    assert.deepEqual((await received(witness.book, channel)).slice(1), [['member_added', 'ada']]);
    assert.deepEqual((await received(second.book, channel)).map(([event]) => event), ['subscription_succeeded']);
    second.pusher.disconnect();
    await witness.book.received.until((items) => items.at(-1)[0] === 'member_removed');
    assert.deepEqual([...witness.book.present], ['witness']);
  });

  test('a user who changes node (reload through a load balancer) with another tab elsewhere is announced to no member', async (t) => {
    const channel = 'presence-reload';
    const witness = await tab(t, 0, 'witness', channel);
    await tab(t, 1, 'ada', channel);
    for (let round = 0; round < 6; round += 1) {
      const { pusher } = await tab(t, round % 3, 'ada', channel);
      pusher.disconnect();
    }
    await shared.cluster.untilAllReport(channel, 'subscription_count', { subscription_count: 2 });
    assert.deepEqual((await received(witness.book, channel)).slice(1), [['member_added', 'ada']]);
  });

  test('joins at the same time on all nodes: every member ends with the same roster, and receives no change twice', async (t) => {
    const channel = 'presence-rush';
    const users = Array.from({ length: 20 }, (_, n) => `r${n}`);
    const open = users.flatMap((user) => [0, 1, 2].map(async (at) => ({ user, pusher: await connectPusher(t, shared.nodes[at], user) })));
    const tabs = await Promise.all(open);
    await Promise.all(tabs.map(async (one) => (one.book = await present(one.pusher, channel))));
    await shared.cluster.untilPresent(channel, users);
    for (const { book, pusher } of tabs) {
      await book.received.until(() => book.present.size === users.length);
      assert.deepEqual([...book.present].sort(), [...users].sort());
      assert.equal(pusher.channel(channel).members.count, users.length);
      assert.deepEqual(book.faults, []);
    }
    for (const { pusher } of tabs) pusher.disconnect();
    await shared.cluster.untilPresent(channel, []);
  });
});

describe('a presence channel with room for two, over three nodes', () => {
  const shared = sharedCluster({ app: { max_presence_members: 2 } });
  const channel = 'presence-pair';
  const join = async (t, at, user) => {
    const pusher = await connectPusher(t, shared.nodes[at], user);
    return { pusher, book: await present(pusher, channel) };
  };

  test('a third user is refused on whatever node, a further tab of a member is not; with room again the same socket comes in', async (t) => {
    const ada = await join(t, 0, 'ada');
    const bob = await join(t, 1, 'bob');
    for (const at of [2, 0, 1]) {
      const eve = await connectPusher(t, shared.nodes[at], 'eve');
      const errors = new Inbox('errors');
      const room = eve.subscribe(channel);
      room.bind('pusher:subscription_error', errors.put);
      const [error] = await errors.until(1);
      assert.equal(error.type, 'LimitReached', JSON.stringify(error));
      assert.equal(eve.connection.state, 'connected');

      const other = await subscribed(eve.subscribe('presence-other'));
      assert.equal(other.members.count, 1, 'the socket is as good as ever');
      await join(t, at, 'ada');
      assert.deepEqual(await shared.nodes[at].users(channel), ['ada', 'bob']);
      eve.disconnect();
      await shared.cluster.untilPresent('presence-other', []);
    }
    const eve = await connectPusher(t, shared.nodes[2], 'eve');
    const errors = new Inbox('errors');
    const room = eve.subscribe(channel);
    room.bind('pusher:subscription_error', errors.put);
    await errors.until(1);
    bob.pusher.disconnect();
    await shared.cluster.untilPresent(channel, ['ada']);
    room.subscribe();
    await subscribed(room);
    await shared.cluster.untilPresent(channel, ['ada', 'eve']);
    await ada.book.received.until((items) => items.at(-1)[1] === 'eve');
    const [first, ...after] = ada.book.received.items;
    assert.equal(first[0], 'subscription_succeeded');
    assert.deepEqual(after, [['member_added', 'bob'], ['member_removed', 'bob'], ['member_added', 'eve']]);
  });

  test('of many that join at once over all nodes exactly two are accepted', async (t) => {
    const room = 'presence-race';
    const clients = await Promise.all(Array.from({ length: 12 }, (_, n) => connectPusher(t, shared.nodes[n % 3], `x${n}`)));
    const outcomes = await Promise.allSettled(clients.map((pusher) => subscribed(pusher.subscribe(room))));
    const inside = clients.filter((_, at) => outcomes[at].status === 'fulfilled').map((_, at) => at);
    assert.equal(inside.length, 2, JSON.stringify(outcomes.map(({ status }) => status)));
    await shared.cluster.untilAllReport(room, 'user_count,subscription_count', { user_count: 2, subscription_count: 2 });
  });
});

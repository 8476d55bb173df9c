// Owns a name server with a few IPv4 addresses, in the place of Docker's.

import { createSocket } from 'node:dgram';

const HEADER_BYTES = 12;
const ANSWER_NO_ERROR = 0x8180;
const TTL_SECONDS = 1;

/** Serves `names`, a list of addresses for each; `{ address, stop }`. */
export async function startNameServer(names) {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => socket.send(answer(query, names), port, address));
  await new Promise((ready) => socket.bind(0, '127.0.0.1', ready));
  return { address: `127.0.0.1:${socket.address().port}`, stop: () => socket.close() };
}

function answer(query, names) {
  const labels = [];
  let at = HEADER_BYTES;
  for (; query[at] > 0; at += 1 + query[at]) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
  // Behind the name: its end, a type and a class.
  const question = query.subarray(HEADER_BYTES, at + 5);
  const records = (names[labels.join('.')] ?? []).map(record);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  [ANSWER_NO_ERROR, 1, records.length].forEach((value, index) => header.writeUInt16BE(value, 2 + 2 * index));
  return Buffer.concat([header, question, ...records]);
}

/** The name of the question, type A, class IN, how long it holds, four bytes. */
function record(address) {
  const head = Buffer.from([0xc0, HEADER_BYTES, 0, 1, 0, 1, 0, 0, 0, TTL_SECONDS, 0, 4]);
  return Buffer.concat([head, Buffer.from(address.split('.').map(Number))]);
}

// @ts-check
// What a row of the live stream says, in words: its kind, its outcome, what happened to what.

/** A row as config/internal-api.md has it.
 * @typedef {{
 *   kind: string, at_ms: number, node?: string, app?: string, id?: string, outcome?: string, source?: string,
 *   channel?: string, channels?: string[], event?: string, except?: string, subscribers?: number, bytes?: number,
 *   data?: string, data_cut?: boolean, socket?: string, user_id?: string, client?: string, by?: string,
 *   code?: number, reason?: string, part?: string, cause?: string, origin?: string, url?: string, events?: number,
 *   result?: string, took_ms?: number, resent?: boolean, count?: number,
 * }} Row */

const clock = new Intl.DateTimeFormat(navigator.language, { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hourCycle: 'h23' });

/** The time of day to the millisecond: events are compared by it. @param {number} atMs */
export const timeOfDay = (atMs) => clock.format(atMs);

const KINDS = /** @type {Record<string, string>} */ ({
  trigger: 'Event',
  delivery: 'Delivery',
  subscribed: 'Subscribed',
  unsubscribed: 'Left',
  connected: 'Connected',
  closed: 'Closed',
  refused: 'Refused',
  webhook: 'Webhook',
});

const PARTS = /** @type {Record<string, string>} */ ({
  connection: 'Connection',
  handshake: 'Handshake',
  request: 'API call',
  subscription: 'Subscription',
  sign_in: 'Sign-in',
  message: 'Message',
  input: 'Event from Redis',
});

/** @param {Row} row */
export const kindName = (row) => KINDS[row.kind] ?? row.kind;

/** @param {string | undefined} part */
export const partName = (part) => PARTS[part ?? ''] ?? part ?? '';

/** @param {Row} row */
export const channelsOf = (row) => row.channels ?? (row.channel ? [row.channel] : []);

/** The outcome as a word and a tone; null where a row has none.
 * @param {Row} row
 * @returns {{ name: string, tone: 'good' | 'warn' | 'bad' } | null} */
export function outcomeOf(row) {
  if (row.kind === 'refused') return { name: 'Refused', tone: 'bad' };
  if (row.kind === 'webhook') return row.result === 'taken' ? { name: 'Taken', tone: 'good' } : { name: row.result ?? '', tone: 'warn' };
  if (row.kind === 'delivery' || row.outcome === 'delivered') return { name: 'Delivered', tone: 'good' };
  if (row.outcome === 'missed') return { name: 'No receiver', tone: 'warn' };
  return null;
}

/** What happened, in the words of its kind.
 * @param {Row} row */
export function whatOf(row) {
  if (row.event !== undefined) return row.event;
  if (row.kind === 'refused') return row.cause ?? row.reason ?? '';
  if (row.kind === 'webhook') return row.url ?? '';
  if (row.kind === 'closed') return `by the ${row.by}${row.code ? `, ${row.code}` : ''}${row.reason ? `, ${row.reason}` : ''}`;
  if (row.user_id !== undefined) return `user ${row.user_id}`;
  return '';
}

/** What stands small behind it.
 * @param {Row} row */
export function detailOf(row) {
  const parts = [];
  if (row.kind === 'refused') parts.push(partName(row.part), row.code, row.socket && `socket ${row.socket}`, row.client);
  else if (row.kind === 'webhook') parts.push(row.events === 1 ? '1 event' : `${row.events} events`, `${row.took_ms} ms`, row.resent && 'sent again after it was given up');
  else {
    if (row.subscribers !== undefined) parts.push(row.subscribers === 1 ? '1 subscriber' : `${row.subscribers} subscribers`);
    if (row.except) parts.push(row.source === 'client_event' ? `from ${row.except}` : `except ${row.except}`);
    if (row.socket) parts.push(`socket ${row.socket}`);
    if (row.client) parts.push(row.client);
  }
  return parts.filter((part) => part !== undefined && part !== false && part !== '').join(' · ');
}

// Owns waiting: every wait in these suites ends by an observation or by a deadline, never by a pause of fixed length.

// Only what never happens takes it; on a busy machine a browser alone may need ten seconds to show a page.
const DEADLINE = 60_000;
const POLL = 10;

/** Resolves with the promise's value, or rejects naming `what` when the deadline passes first. */
export async function within(promise, what, deadline = DEADLINE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${describe(what)} did not happen within ${deadline} ms`)), deadline);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks `condition` again and again until it answers something truthy; that answer is the result. */
export async function until(condition, what, deadline = DEADLINE) {
  const end = Date.now() + deadline;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${describe(what)} did not happen within ${deadline} ms`);
    await new Promise((next) => setTimeout(next, POLL));
  }
}

/** Things that arrived, in order of arrival; `until` waits for a count or for a condition on all of them. */
export class Inbox {
  items = [];
  #waiting = new Set();

  constructor(name = 'inbox') {
    this.name = name;
  }

  put = (item) => {
    this.items.push(item);
    for (const look of [...this.#waiting]) look();
  };

  /** `wanted`: how many items, or a function of the items. Resolves with all items seen so far. */
  async until(wanted, deadline = DEADLINE) {
    const enough = typeof wanted === 'number' ? (items) => items.length >= wanted : wanted;
    if (enough(this.items)) return this.items;
    let look;
    const seen = new Promise((resolve) => {
      look = () => enough(this.items) && resolve(this.items);
      this.#waiting.add(look);
    });
    const what = () => `${this.name}: ${typeof wanted === 'number' ? `${wanted} items` : wanted}, seen ${JSON.stringify(this.items)}`;
    try {
      return await within(seen, what, deadline);
    } finally {
      this.#waiting.delete(look);
    }
  }
}

function describe(what) {
  return typeof what === 'function' ? what() : what;
}

// @ts-check
// The HTTP API of the internal listener: requests with the token, answers, errors with their sentence, streams of lines.
// What an answer means is left to the pages.

import { token } from './session.js';

/** @typedef {Record<string, string | number | undefined | null>} Parameters Those without a value are left out. */
/** @typedef {string | (string | number)[]} Path A list of segments, which are encoded; or a text as it is. */

// The page is at …/console/, below whatever path a proxy has in front.
const ROOT = new URL('../internal/v1', document.baseURI);
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 8000;
const ASK_AGAIN_MS = 2000;

/** What the listener refused, with its sentence; `status` 0: it could not be reached. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} text
   */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** @type {() => void} */
let unauthorized = () => {};

/**
 * Calls `listener` whenever the token is missing or wrong.
 * @param {() => void} listener
 */
export function onUnauthorized(listener) {
  unauthorized = listener;
}

/**
 * @param {Path} path
 * @param {Parameters} [parameters]
 */
export function urlOf(path, parameters = {}) {
  const segments = typeof path === 'string' ? path : path.map((one) => encodeURIComponent(one)).join('/');
  const url = new URL(ROOT);
  if (segments) url.pathname += `/${segments}`;
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, String(value));
  }
  return url;
}

/**
 * The answer to a GET.
 * @param {Path} path
 * @param {Parameters} [parameters]
 * @param {{ signal?: AbortSignal }} [options]
 * @returns {Promise<any>}
 */
export async function get(path, parameters, { signal } = {}) {
  const answer = await request(urlOf(path, parameters), { method: 'GET', signal });
  return answer.json();
}

/**
 * Changes something; the answer, or null if it is empty.
 * @param {Path} path
 * @param {unknown} [body] Sent as JSON.
 * @param {{ method?: 'POST' | 'PUT' | 'DELETE', signal?: AbortSignal }} [options]
 * @returns {Promise<any>}
 */
export async function post(path, body = {}, { method = 'POST', signal } = {}) {
  const headers = { 'content-type': 'application/json' };
  const answer = await request(urlOf(path), { method, headers, body: JSON.stringify(body), signal });
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

/**
 * @param {URL} url
 * @param {RequestInit} init
 */
async function request(url, init) {
  const held = token();
  const headers = { ...init.headers, ...(held ? { authorization: `Bearer ${held}` } : {}) };
  let answer;
  try {
    answer = await fetch(url, { ...init, headers, cache: 'no-store', redirect: 'error' });
  } catch (failure) {
    if (init.signal?.aborted) throw failure;
    throw new ApiError(0, 'The server cannot be reached.');
  }
  if (answer.ok) return answer;
  // Of several requests with a token that is not accepted, the first one ends the session, and a later one must not disturb the login.
  if (answer.status === 401 && held === token()) unauthorized();
  throw new ApiError(answer.status, await sentence(answer));
}

/** @param {Response} answer */
async function sentence(answer) {
  try {
    const { error } = await answer.json();
    if (typeof error === 'string') return error;
  } catch {
    // Not from the server: a proxy in front has answered.
  }
  return `The answer was ${answer.status} ${answer.statusText}`.trim();
}

/**
 * Asks again and again, while the page is visible and after each answer; returns what ends it.
 * @param {number} everyMs
 * @param {(signal: AbortSignal) => Promise<void>} ask
 * @param {(failure: ApiError) => void} failed
 * @returns {() => void}
 */
export function poll(everyMs, ask, failed) {
  const ended = new AbortController();
  let timer = 0;
  let isAsking = false;
  const turn = async () => {
    if (isAsking || ended.signal.aborted || document.hidden) return;
    isAsking = true;
    try {
      await ask(ended.signal);
    } catch (failure) {
      if (!ended.signal.aborted) failed(asApiError(failure));
    }
    isAsking = false;
    clearTimeout(timer);
    if (!ended.signal.aborted) timer = setTimeout(turn, everyMs);
  };
  document.addEventListener('visibilitychange', turn, { signal: ended.signal });
  turn();
  return () => {
    ended.abort();
    clearTimeout(timer);
  };
}

/**
 * Asks until there is an answer, and hands it on once; returns what ends it.
 * @template Answer
 * @param {(signal: AbortSignal) => Promise<Answer>} ask
 * @param {(answer: Answer) => void} answered
 * @param {(failure: ApiError) => void} failed Called for each attempt that failed.
 * @returns {() => void}
 */
export function untilAnswered(ask, answered, failed) {
  const stop = poll(ASK_AGAIN_MS, async (signal) => {
    const answer = await ask(signal);
    if (signal.aborted) return;
    stop();
    answered(answer);
  }, failed);
  return stop;
}

/**
 * Rows as they come, until the function that is returned is called. A stream that breaks is opened again.
 *
 * `opened` gets the first row of each stream, `lost` why there is none at the moment: a failure, or null where the server
 * has ended it. A refusal (400, 403, 404) is final.
 * @param {Path} path
 * @param {Parameters} parameters
 * @param {{ row: (row: any) => void, opened?: (row: any) => void, lost?: (failure: ApiError | null) => void }} listeners
 * @returns {() => void}
 */
export function stream(path, parameters, { row, opened, lost }) {
  const ended = new AbortController();
  const { signal } = ended;
  let wait = RETRY_FIRST_MS;
  const run = async () => {
    while (!signal.aborted) {
      let failure = null;
      try {
        const answer = await request(urlOf(path, parameters), { method: 'GET', signal });
        for await (const one of rows(answer)) {
          if (signal.aborted) return;
          if (one.kind === 'open') {
            wait = RETRY_FIRST_MS;
            opened?.(one);
          } else if (one.kind !== 'keep_alive') row(one);
        }
      } catch (cause) {
        if (signal.aborted) return;
        failure = asApiError(cause);
      }
      lost?.(failure);
      if (failure && failure.status >= 400 && failure.status < 429) return;
      await pause(wait, signal);
      wait = Math.min(wait * 2, RETRY_LAST_MS);
    }
  };
  run();
  return () => ended.abort();
}

/**
 * The rows of one answer to a POST, until it ends or the function that is returned is called.
 * @param {Path} path
 * @param {unknown} body Sent as JSON.
 * @param {{ row: (row: any) => void, ended: (failure: ApiError | null) => void }} listeners
 * @returns {() => void}
 */
export function postStream(path, body, { row, ended }) {
  const stopped = new AbortController();
  const { signal } = stopped;
  const run = async () => {
    let failure = null;
    try {
      const headers = { 'content-type': 'application/json' };
      const answer = await request(urlOf(path), { method: 'POST', headers, body: JSON.stringify(body), signal });
      for await (const one of rows(answer)) if (one.kind !== 'keep_alive') row(one);
    } catch (cause) {
      failure = asApiError(cause);
    }
    if (!signal.aborted) ended(failure);
  };
  run();
  return () => stopped.abort();
}

/**
 * The lines of an answer, each as the JSON that it is.
 * @param {Response} answer
 */
async function* rows(answer) {
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line) yield JSON.parse(line);
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 */
function pause(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), done(null)), { once: true });
  });
}

/** @param {unknown} failure */
export function asApiError(failure) {
  return failure instanceof ApiError ? failure : new ApiError(0, failure instanceof Error ? failure.message : String(failure));
}

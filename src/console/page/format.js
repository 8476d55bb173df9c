// @ts-check
// Numbers, sizes and times as people read them, in the language and the zone of the reader.

const LOCALE = navigator.language;
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumSignificantDigits: 3 });
const fraction = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'medium' });
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/**
 * A whole number with its groups, from 100 000 on in short: 12,345 and 1.23M.
 * @param {number | null | undefined} value
 */
export function number(value) {
  if (value === null || value === undefined) return '–';
  return Math.abs(value) < 100_000 ? whole.format(value) : short.format(value);
}

/**
 * How many a second: with a decimal below ten.
 * @param {number | null | undefined} value
 */
export function rate(value) {
  if (value === null || value === undefined) return '–';
  return value !== 0 && value < 10 ? fraction.format(value) : number(value);
}

/**
 * Bytes, in steps of 1024.
 * @param {number | null | undefined} value
 */
export function bytes(value) {
  if (value === null || value === undefined) return '–';
  let step = 0;
  while (value >= 1024 && step < UNITS.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${step > 0 && value < 100 ? fraction.format(value) : whole.format(value)} ${UNITS[step]}`;
}

/**
 * A short time: 0.3 ms, 12 ms, 1.2 s.
 * @param {number | null | undefined} ms
 */
export function milliseconds(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms >= 1000) return `${fraction.format(ms / 1000)} s`;
  return `${ms < 10 ? fraction.format(ms) : whole.format(ms)} ms`;
}

/**
 * A longer time in its two largest units: 45 s, 3 min, 2 h 5 min, 4 d 2 h.
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${Math.floor(hours / 24)} d`;
}

/**
 * The time of day.
 * @param {number} atMs
 */
export function time(atMs) {
  return clock.format(atMs);
}

/**
 * Day and time.
 * @param {number} atMs
 */
export function date(atMs) {
  return day.format(atMs);
}

/**
 * How long ago.
 * @param {number} atMs
 */
export function ago(atMs) {
  const ms = Date.now() - atMs;
  return ms < 1500 ? 'now' : `${duration(ms)} ago`;
}

/**
 * A share of 1.
 * @param {number | null | undefined} share
 */
export function percent(share) {
  return share === null || share === undefined ? '–' : `${share !== 0 && share < 0.1 ? fraction.format(share * 100) : whole.format(share * 100)} %`;
}

/**
 * "1 socket", "2 sockets".
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

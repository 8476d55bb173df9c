// @ts-check
// The token of this tab. It is taken from the address, where only the browser sees it, and kept for this tab alone: no
// cookie, which every port of a host would share.

// Several consoles may be on one host, each below a path of its own.
const KEY = `resound-console${location.pathname}`;

/** Takes `#token=…` out of the address, if it is there. */
export function takeTokenFromAddress() {
  const found = /^#token=([^&]+)(?:&(.*))?$/.exec(location.hash);
  if (!found) return false;
  keepToken(decodeURIComponent(found[1]));
  history.replaceState(null, '', `${location.pathname}${location.search}#${found[2] ?? '/'}`);
  return true;
}

/** @returns {string | null} */
export function token() {
  return sessionStorage.getItem(KEY);
}

/** @param {string} text */
export function keepToken(text) {
  sessionStorage.setItem(KEY, text.trim());
}

export function forgetToken() {
  sessionStorage.removeItem(KEY);
}

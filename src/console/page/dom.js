// @ts-check
// Elements. The one way by which text enters the page: as text, never as markup.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes */

/** Attributes that an element has by what its reader did. */
const OWN_STATE = ['open', 'disabled'];

/**
 * An element. `onclick` and its like take a function; false, null and undefined leave an attribute out, true sets it empty.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes | null} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  set(element, attributes ?? {});
  append(element, children.flat());
  return element;
}

/**
 * An element of SVG.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes | null} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  set(element, attributes ?? {});
  append(element, children.flat());
  return element;
}

/**
 * Sets attributes of an element that is there.
 * @param {Element} element
 * @param {Attributes} attributes
 */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

/**
 * Puts other children into an element.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children.flat());
}

/**
 * Changes the text of an element, if it is another one.
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Shows these items in an element in this order. An element stays as long as its key does, with the focus in it.
 * @template Item
 * @param {Element} parent
 * @param {Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => Element} make
 * @param {(element: Element, item: Item) => void} [update] Of one that is there already.
 */
export function keyed(parent, items, keyOf, make, update) {
  /** @type {Map<string, Element>} */
  const known = new Map([...parent.children].map((element) => [/** @type {HTMLElement} */ (element).dataset.key ?? '', element]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = known.get(key);
    if (element) {
      known.delete(key);
      update?.(element, item);
    } else {
      element = make(item);
      /** @type {HTMLElement} */ (element).dataset.key = key;
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of known.values()) element.remove();
}

/**
 * Puts other children into an element and keeps those that are the same apart from texts and attributes, so that a click that is
 * under way, the focus, a selection and what is open or scrolled stay. An element with `data-key` is kept for an equal one only;
 * one that is kept keeps its listeners, which therefore depend on nothing but that key.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function merge(element, ...children) {
  const wanted = document.createElement('div');
  append(wanted, children.flat());
  mergeChildren(element, wanted);
}

/**
 * @param {Element} element
 * @param {Element} wanted Loses its children.
 */
function mergeChildren(element, wanted) {
  const byKey = new Map([...element.childNodes].map((child) => [keyOf(child), child]));
  const shown = new Set();
  let place = element.firstChild;
  for (const next of [...wanted.childNodes]) {
    const key = keyOf(next);
    const known = key === undefined ? place : byKey.get(key);
    if (!known || known.nodeName !== next.nodeName || keyOf(known) !== key) {
      shown.add(element.insertBefore(next, place));
      continue;
    }
    if (known === place) place = place.nextSibling;
    else element.insertBefore(known, place);
    shown.add(known);
    if (known instanceof Element && next instanceof Element) mergeElement(known, next);
    else if (known.nodeValue !== next.nodeValue) known.nodeValue = next.nodeValue;
  }
  for (const child of [...element.childNodes]) if (!shown.has(child)) child.remove();
}

/** @param {Node} node */
function keyOf(node) {
  return node instanceof HTMLElement ? node.dataset.key : undefined;
}

/**
 * @param {Element} known
 * @param {Element} next
 */
function mergeElement(known, next) {
  for (const { name } of [...known.attributes]) if (!OWN_STATE.includes(name) && !next.hasAttribute(name)) known.removeAttribute(name);
  for (const { name, value } of [...next.attributes]) if (known.getAttribute(name) !== value) known.setAttribute(name, value);
  mergeChildren(known, next);
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === 'number' ? String(child) : child);
  }
}

// Owns the Vue side of the page: small components, each around one hook of @laravel/echo-vue.

import { configureEcho, useConnectionStatus, useEcho, useEchoPresence, useEchoPublic } from '@laravel/echo-vue';
import { createApp, defineComponent, h, watch } from 'vue';

const COMPONENTS = {
  status: defineComponent({
    props: ['note'],
    setup({ note }) {
      const status = useConnectionStatus();
      watch(status, (now) => note('status', now), { immediate: true, flush: 'sync' });
      return () => h('p', { id: 'status' }, status.value);
    },
  }),
  private: defineComponent({
    props: ['note', 'channel', 'event'],
    setup({ note, channel, event }) {
      useEcho(channel, event, (data) => note('private', data));
      return () => h('p', 'private');
    },
  }),
  public: defineComponent({
    props: ['note', 'channel', 'event'],
    setup({ note, channel, event }) {
      useEchoPublic(channel, event, (data) => note('public', data));
      return () => h('p', 'public');
    },
  }),
  presence: defineComponent({
    props: ['note', 'channel', 'event'],
    setup({ note, channel, event }) {
      const { channel: joined } = useEchoPresence(channel, event, (data) => note('presence', data));
      joined().here((users) => note('here', users.map(({ name }) => name)));
      return () => h('p', 'presence');
    },
  }),
};

const mounted = new Map();
let count = 0;

export function configureVue(options) {
  configureEcho(options);
}

/** Mounts a component in an element of its own; the number it answers is for `unmountVue`. */
export function mountVue(name, props, note) {
  const element = document.getElementById('app').appendChild(document.createElement('div'));
  const app = createApp(COMPONENTS[name], { ...props, note });
  app.mount(element);
  count += 1;
  mounted.set(count, { app, element });
  return count;
}

export function unmountVue(number) {
  const { app, element } = mounted.get(number);
  app.unmount();
  element.remove();
  mounted.delete(number);
}

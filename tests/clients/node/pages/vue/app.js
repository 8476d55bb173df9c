import { configureEcho } from '@laravel/echo-vue';
import { createApp } from 'vue';
import Page from './Page.vue';

configureEcho({ broadcaster: 'reverb' });
createApp(Page).mount('#app');

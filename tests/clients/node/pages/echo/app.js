import './echo';

window.Echo.private(`orders.${window.order}`).listen('OrderShipped', (event) => console.log(event));

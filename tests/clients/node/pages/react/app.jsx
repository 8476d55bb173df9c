import { configureEcho, useEcho } from '@laravel/echo-react';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';

configureEcho({ broadcaster: 'reverb' });

function Page() {
    const [last, setLast] = useState('');
    useEcho('orders.7', 'OrderShipped', (event) => setLast(event.id));
    return <p>{last}</p>;
}

createRoot(document.getElementById('app')).render(<Page />);

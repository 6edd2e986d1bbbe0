/** A peer: simple-hl7 takes each message and acknowledges it. Nothing is mapped, nothing stored. */
import type { AddressInfo } from 'node:net';
import hl7 from 'simple-hl7';
import { say } from './child.ts';

const app = hl7.tcp();
app.use((_, response) => response.end());
const { server } = app.start(0);
const tell = () => say({ port: (server.address() as AddressInfo).port });
if (server.listening) tell();
else server.once('listening', tell);
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));

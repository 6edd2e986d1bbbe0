/** A peer: simple-hl7 takes each message and acknowledges it. Nothing is mapped, nothing stored. */
import { createRequire } from 'node:module';
import type { AddressInfo, Server } from 'node:net';
import { say } from './child.ts';

/** As much of it as is used here; it has no types of its own. */
interface SimpleHl7 {
  tcp(): {
    use(handle: (request: unknown, response: { end(): void }) => void): void;
    start(port: number): { readonly server: Server };
  };
}

const app = (createRequire(import.meta.url)('simple-hl7') as SimpleHl7).tcp();
app.use((_, response) => response.end());
const { server } = app.start(0);
const tell = () => say({ port: (server.address() as AddressInfo).port });
if (server.listening) tell();
else server.once('listening', tell);
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));

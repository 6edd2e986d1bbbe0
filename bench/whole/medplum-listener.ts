/** A peer: @medplum/hl7 takes each message and acknowledges it. Nothing is mapped, nothing stored. */
import type { AddressInfo } from 'node:net';
import { type Hl7MessageEvent, Hl7Server } from '@medplum/hl7';
import { say } from './child.ts';

const server = new Hl7Server((connection) => {
  connection.addEventListener('message', ({ message }: Hl7MessageEvent) => connection.send(message.buildAck()));
});
await server.start(0);
const address = server.server?.address() as AddressInfo | undefined;
say({ port: address?.port ?? 0 });
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));

/** What Node can do at most: MLLP frames in, an acknowledgement with MSA-2 out, nothing mapped, nothing stored. */
import { type AddressInfo, createServer } from 'node:net';
import { bareAnswer, controlIdOf } from './bare-answer.ts';
import { say } from './child.ts';

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer | null = null;
  socket.on('data', (chunk) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    socket.cork();
    for (let end = bytes.indexOf(0x1c); end !== -1; end = bytes.indexOf(0x1c, from)) {
      socket.write(bareAnswer(controlIdOf(bytes.subarray(from, end))));
      from = end + 2;
    }
    socket.uncork();
    rest = from < bytes.length ? bytes.subarray(from) : null;
  });
  socket.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }));
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));

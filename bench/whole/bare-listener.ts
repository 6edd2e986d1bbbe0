/** What Node can do at most: MLLP frames in, an acknowledgement with MSA-2 out, nothing mapped, nothing stored. */
import { type AddressInfo, createServer } from 'node:net';
import { say } from './child.ts';

const START = Buffer.from('\x0bMSH|^~\\&|SLUSS|COVIDBEVIS|ANALYS|LAB|20221114153000||ACK^R01|A|P|2.5.1\rMSA|AA|');
const END = Buffer.from('\r\x1c\r');

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer | null = null;
  socket.on('data', (chunk) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    socket.cork();
    for (let end = bytes.indexOf(0x1c); end !== -1; end = bytes.indexOf(0x1c, from)) {
      socket.write(Buffer.concat([START, controlIdOf(bytes.subarray(from, end)), END]));
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

function controlIdOf(message: Buffer): Buffer {
  let from = 0;
  for (let field = 0; field < 9; field += 1) from = message.indexOf(0x7c, from) + 1;
  return message.subarray(from, message.indexOf(0x7c, from));
}

import type { buildConnector } from 'undici';
import { loadUndici } from './undici.ts';

/**
 * Opens TLS connections (1.2 or later, HTTP/1.1) for an undici Agent, so that a certificate's refusal can be told from a
 * connection that broke.
 *
 * In TLS 1.3 the receiver judges our certificate after our handshake has ended, and its alert arrives together with the
 * end of the stream. undici takes that end for the whole story ("other side closed") and destroys the socket before Node
 * can report the alert behind it. On a connection that has never answered anything, that one step is put off for a turn
 * of the event loop: if there was an alert, its error comes first and is what the request fails with.
 */
export function createConnector(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = loadUndici().buildConnector({ ...options, allowH2: false, minVersion: 'TLSv1.2' });
  return (order, callback) =>
    connect(order, (...result) => {
      const [, socket] = result;
      // Declared as null, but left out where connecting failed.
      if (socket) waitForAlert(socket);
      callback(...result);
    });
}

type Connected = NonNullable<Parameters<buildConnector.Callback>[1]>;

function waitForAlert(socket: Connected): void {
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: Error) => {
    const ended = (error as NodeJS.ErrnoException | undefined)?.code === 'UND_ERR_SOCKET';
    if (!ended || socket.bytesRead > 0) return destroy(error);
    setImmediate(() => destroy(error));
    return socket;
  };
}

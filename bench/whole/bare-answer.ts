const START = Buffer.from('\x0bMSH|^~\\&|SLUSS|COVIDBEVIS|ANALYS|LAB|20221114153000||ACK^R01|A|P|2.5.1\rMSA|AA|');
const END = Buffer.from('\r\x1c\r');

/** An acknowledgement with MSA-2, framed, and nothing in it that was thought about. */
export function bareAnswer(controlId: Buffer): Buffer {
  return Buffer.concat([START, controlId, END]);
}

/** MSH-10 by counting separators. */
export function controlIdOf(message: Buffer): Buffer {
  let from = 0;
  for (let field = 0; field < 9; field += 1) from = message.indexOf(0x7c, from) + 1;
  return message.subarray(from, message.indexOf(0x7c, from));
}

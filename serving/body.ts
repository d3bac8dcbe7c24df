/** A request's body, bounded: before decompression, after it, and while it is still arriving. */
import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { ProtocolError } from './protocol-error.ts';

const DECOMPRESS = { gzip: promisify(gunzip), 'x-gzip': promisify(gunzip), deflate: promisify(inflate) } as const;

/** Throws ProtocolError: 413 too large, 415 unknown encoding, 400 damaged or cut off. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new ProtocolError(413, `the request is larger than ${maxBytes} bytes: send less at once`, {
      connection: 'close',
    });
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity' && !(encoding in DECOMPRESS)) {
    throw new ProtocolError(415, `content-encoding '${encoding}' is not supported`, {
      'accept-encoding': 'gzip, deflate',
    });
  }
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    // The socket must outlive a refusal: it carries the answer.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof ProtocolError ? error : new ProtocolError(400, 'the request ended before its body did');
  }
  const body = Buffer.concat(chunks);
  if (encoding === 'identity') return body;
  try {
    return await DECOMPRESS[encoding as keyof typeof DECOMPRESS](body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new ProtocolError(400, `the ${encoding} body is damaged: ${(error as Error).message}`);
  }
}

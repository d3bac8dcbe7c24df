import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import * as fc from 'fast-check';
import { digestBytes } from '../../artifacts/digest.ts';
import { joinedCrc32, readContent } from '../../artifacts/file-content.ts';
import { runNode } from '../support/command.ts';
import { testFolder } from '../support/store.ts';

const MIB = 2 ** 20;

function file(name: string, bytes: number): { path: string; content: Buffer } {
  const path = join(testFolder(), name);
  const content = randomBytes(bytes);
  writeFileSync(path, content);
  return { path, content };
}

describe('the CRC-32 of parts in a row', () => {
  it('is the CRC-32 of the whole, however it is cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.integer({ min: 1, max: 90 }), (bytes, partBytes) => {
        const parts: number[] = [];
        for (let at = 0; at < bytes.length; at += partBytes) parts.push(crc32(bytes.subarray(at, at + partBytes)));
        assert.equal(joinedCrc32(parts, partBytes, bytes.length), crc32(bytes));
      }),
    );
  });
});

describe('reading a file for its upload', () => {
  for (const bytes of [0, 1, MIB, MIB + 1, 33 * MIB + 7]) {
    it(`gives digest, size and checksums of ${bytes} bytes`, async () => {
      const { path, content } = file(`content-${bytes}`, bytes);
      const read = await readContent(path);
      assert.equal(read.digest, digestBytes(content));
      assert.equal(read.size, bytes);
      assert.equal(read.crc32, crc32(content));
      const { partBytes } = read;
      const parts = Array.from({ length: Math.ceil(bytes / partBytes) }, (_, i) =>
        crc32(content.subarray(i * partBytes, (i + 1) * partBytes)),
      );
      assert.deepEqual(read.partCrc32, parts);
    });
  }

  it('stops when it is cancelled, and reads the next files as if nothing had been', async () => {
    const { path, content } = file('content-cancelled', 48 * MIB);
    const cancelled = readContent(path, AbortSignal.timeout(1));
    await assert.rejects(cancelled, { name: 'TimeoutError' });
    for (let i = 0; i < 4; i++) assert.equal((await readContent(path)).digest, digestBytes(content));
  });

  it('names a large file that is gone, and goes on', async () => {
    const { path } = file('content-after', 2 * MIB);
    await assert.rejects(readContent(join(testFolder(), 'not-there')), { code: 'ENOENT' });
    assert.equal((await readContent(path)).size, 2 * MIB);
  });

  it('keeps no process alive once it has answered', async () => {
    const { path, content } = file('content-exit', 3 * MIB);
    const source = fileURLToPath(new URL('../../artifacts/file-content.ts', import.meta.url));
    const script = `import(${JSON.stringify(source)}).then(async (m) => console.log((await m.readContent(${JSON.stringify(path)})).digest))`;
    const ended = await runNode(['--import', 'tsx', '-e', script], process.env);
    assert.equal(ended.code, 0, ended.stderr);
    assert.equal(ended.stdout.trim(), digestBytes(content));
  });
});

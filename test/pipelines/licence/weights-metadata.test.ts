import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { evaluate } from '../../../pipelines/licence/evaluate.ts';
import { readModelFolder } from '../../../pipelines/licence/model-folder.ts';
import { termsOf } from '../../../pipelines/licence/model-terms.ts';
import { readWeightsMetadata } from '../../../pipelines/licence/weights-metadata.ts';
import { SERVICE } from './ask.ts';

/** A ModelProto with a graph of many bytes before its metadata. */
function onnx(entries: Readonly<Record<string, string>>, graphBytes = 100_000): Buffer {
  const writer = protobuf.Writer.create().uint32(8).int64(9).uint32(58).bytes(Buffer.alloc(graphBytes, 1));
  for (const [key, value] of Object.entries(entries)) {
    writer.uint32(114).fork().uint32(10).string(key).uint32(18).string(value).ldelim();
  }
  return Buffer.from(writer.finish());
}

describe('what weights say of themselves', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'espalier-weights-'))));
  after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const safetensors = (text: string, length = BigInt(Buffer.byteLength(text))): Buffer => {
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(length);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const read = (name: string, bytes: Uint8Array) => readWeightsMetadata(name, file(name, bytes))?.entries;

  it('is read from safetensors and from ONNX, past the graph, and only where it is about terms', () => {
    const metadata = { format: 'pt', license: ' mit ', 'modelspec.license': 'x', license_link: '' };
    deepEqual(read('a.safetensors', safetensors(JSON.stringify({ __metadata__: metadata }))), {
      license: 'mit',
      'modelspec.license': 'x',
    });
    deepEqual(read('a.onnx', onnx({ producer: 'me', license: 'cc-by-nc-4.0' })), { license: 'cc-by-nc-4.0' });
  });

  it('is one more voice beside the card: the same word agrees, another conflicts', () => {
    file('README.md', Buffer.from('---\nlicense: mit\n---\n'));
    const verdict = (license: string): string => {
      file('a.safetensors', safetensors('{}'));
      file('a.onnx', onnx({ license }));
      const { sizeBytes: _, ...files } = readModelFolder(folder);
      return evaluate({ terms: termsOf(files), use: SERVICE, today: '2026-01-01' }).verdict;
    };
    deepEqual(['mit', 'apache-2.0', 'cc-by-nc-4.0', 'mine'].map(verdict), ['allow', 'review', 'deny', 'review']);
  });

  it('says nothing where the file is not what its name says, and is unknown where it is too long to read', () => {
    for (const text of ['', '[]', '{"__metadata__": 7}', '{"__metadata__": {"license": 7}}', '{"a', '\0\0']) {
      deepEqual(read('b.safetensors', safetensors(text)), {}, text);
    }
    deepEqual(read('b.safetensors', safetensors('{}', 2n ** 63n)), {});
    deepEqual(read('b.onnx', Buffer.from('not a message')), {});
    deepEqual(read('b.onnx', onnx({ license: 'mit' }).subarray(0, -2)), {});
    equal(read('b.onnx', onnx({ license: 'x'.repeat(70_000) })), undefined);
    // 100 MB of header, sparse on disk: refused before it is read.
    const path = file('c.safetensors', safetensors('', 100_000_000n));
    truncateSync(path, 100_000_008);
    equal(readWeightsMetadata('c.safetensors', path), undefined);
    const { unreadable } = readModelFolder(folder);
    match(unreadable.join(), /the header of c\.safetensors/);
    const { verdict } = evaluate({
      terms: termsOf({ card: '---\nlicense: mit\n---\n', unreadable }),
      use: SERVICE,
      today: '2026-01-01',
    });
    equal(verdict, 'review');
  });

  it('never throws, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.nat(60)).map(([noise, at]) => {
        const whole = onnx({ license: 'mit' }, 20);
        whole.set(noise.subarray(0, Math.max(0, whole.length - at)), Math.min(at, whole.length));
        return whole;
      }),
    );
    fc.assert(
      fc.property(bytes, fc.constantFrom('f.onnx', 'f.safetensors'), (content, name) => {
        const found = read(name, content);
        ok(found === undefined || Object.values(found).every((value) => typeof value === 'string'));
      }),
      { numRuns: 300 },
    );
  });
});

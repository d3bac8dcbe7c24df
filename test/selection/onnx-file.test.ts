import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { checkOnnx } from '../../activities/selection/onnx-file.ts';
import { message, onnxFile, type OnnxParts } from '../support/onnx-file.ts';

describe('the check of an ONNX file', () => {
  let root: string;
  let folder: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-onnx-'));
    folder = join(root, 'model');
    await mkdir(join(folder, 'sub'), { recursive: true });
    await writeFile(join(root, 'secret'), 'secret');
    await writeFile(join(folder, 'model.onnx_data'), 'eight by');
    await symlink(join(root, 'secret'), join(folder, 'link.onnx_data'));
    await symlink(root, join(folder, 'away'));
  });
  after(() => rm(root, { recursive: true }));

  async function check(bytes: Uint8Array): Promise<{ fault: string; externalData: readonly string[] }> {
    await writeFile(join(folder, 'model.onnx'), bytes);
    return { fault: '', externalData: [], ...(await checkOnnx(join(folder, 'model.onnx'))) };
  }

  it('accepts the operators of onnxruntime itself, wherever they stand', async () => {
    for (const domain of ['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft']) {
      for (const place of ['graph', 'subgraph', 'function', 'training'] as const) {
        assert.equal((await check(onnxFile({ domain, place }))).fault, '');
      }
    }
  });

  it('refuses operators of any other domain, in branches, functions and training graphs too', async () => {
    for (const domain of ['evil', 'com.microsoft.evil', 'AI.ONNX', ' ', 'ai.onnx\0']) {
      for (const place of ['graph', 'subgraph', 'function', 'training'] as const) {
        assert.match((await check(onnxFile({ domain, place }))).fault, /operators of the domain/);
      }
    }
    const own = message([7, new Uint8Array()], [25, message([10, Buffer.from('evil')])]);
    assert.match((await check(own)).fault, /operators of the domain "evil"/);
  });

  it('finds external data beside the file, and refuses any other wherever its tensor stands', async () => {
    const beside = { location: 'model.onnx_data', offset: '4', length: '4' };
    const refused: readonly [external: Readonly<Record<string, string>>, reason: RegExp][] = [
      [{ location: '../secret' }, /outside its folder/],
      [{ location: 'sub/../../secret' }, /outside its folder/],
      [{ location: '/etc/hostname' }, /outside its folder/],
      [{ location: 'C:/secret' }, /outside its folder/],
      [{ location: '..\\secret' }, /outside its folder/],
      [{ location: '' }, /outside its folder/],
      [{ offset: '0' }, /outside its folder/],
      [{ location: 'link.onnx_data' }, /is a link/],
      [{ location: 'away/secret' }, /is a link/],
      [{ location: 'sub' }, /no regular file/],
      [{ location: 'none.onnx_data' }, /is missing/],
      [{ ...beside, length: '5' }, /behind the end/],
      [{ ...beside, offset: '-4' }, /impossible place/],
    ];
    for (const tensorIn of ['graph', 'attribute', 'sparse'] as const) {
      assert.deepEqual((await check(onnxFile({ external: beside, tensorIn }))).externalData, ['model.onnx_data']);
      for (const [external, reason] of refused) {
        const parts: OnnxParts = { external, tensorIn };
        assert.match((await check(onnxFile(parts))).fault, reason, JSON.stringify(parts));
      }
    }
  });

  it('refuses what is not exactly one graph in sound protobuf', async () => {
    const graph = message([7, new Uint8Array()]);
    const unsound: readonly Uint8Array[] = [
      new Uint8Array(),
      Buffer.from('{"a":1}'),
      Buffer.concat([graph, graph]),
      graph.subarray(0, -1),
      Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f]), // a graph of 2^62 bytes
      Buffer.from([0x38, 1]), // the graph's field as a number
      Buffer.concat([graph, Buffer.from([0x0b])]), // a group
      Buffer.concat([graph, Buffer.from([0xba, 0x80, 0x80, 0x80, 0x80, 0x00, 0])]), // a tag of six bytes
    ];
    for (const bytes of unsound) assert.match((await check(bytes)).fault, /is not ONNX/);
  });

  it('is bounded: nesting, fields, names, and sparse gigabytes of weights', async () => {
    let nested: Uint8Array = new Uint8Array();
    for (let depth = 0; depth < 60; depth++) nested = message([1, message([5, message([6, nested])])]);
    assert.match((await check(message([7, nested]))).fault, /nests more than 100/);
    assert.match((await check(Buffer.alloc(4_200_000, Buffer.from([8, 1])))).fault, /more than 2000000 fields/);
    const long = message([7, message([1, message([7, Buffer.alloc(5000)])])]);
    assert.match((await check(long)).fault, /a name of 5000 bytes/);
    // One tensor of 2^30 bytes in a graph: passed over, not read.
    const tensor = Buffer.from([0x4a, 0x80, 0x80, 0x80, 0x80, 0x04]);
    const large = 2 ** 30 + tensor.length;
    const size = (field: number, bytes: number): Buffer =>
      Buffer.from([
        field * 8 + 2,
        ...[0, 7, 14, 21, 28].map((bit) => (Math.floor(bytes / 2 ** bit) & 127) | (bit < 28 ? 128 : 0)),
      ]);
    const head = Buffer.concat([size(7, large + 6), size(5, large), tensor]);
    await writeFile(join(folder, 'large.onnx'), head);
    await truncate(join(folder, 'large.onnx'), head.length + 2 ** 30);
    assert.deepEqual(await checkOnnx(join(folder, 'large.onnx')), { externalData: [] });
  });

  it('answers any bytes, and no other last letter of a domain is let in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        assert.equal(typeof (await check(bytes)).fault, 'string');
      }),
      { numRuns: 200 },
    );
    const sound = onnxFile({ domain: 'com.microsoft', place: 'subgraph' });
    const last = sound.indexOf('com.microsoft') + 12;
    for (let byte = 0; byte < 256; byte++) {
      const bytes = Buffer.from(sound);
      bytes[last] = byte;
      assert.equal((await check(bytes)).fault === '', byte === 't'.charCodeAt(0));
    }
  });
});

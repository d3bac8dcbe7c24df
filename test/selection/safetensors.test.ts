import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasDuplicateKeys } from '../../activities/selection/duplicate-keys.ts';
import { checkSafetensors } from '../../activities/selection/safetensors.ts';
import { tinyModel } from '../support/tiny-model.ts';

/** A file by hand: header text as given, its length as claimed, and so many bytes of weights. */
function safetensors(header: string | object, dataBytes: number, claimed?: bigint): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed ?? BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes, 1)]);
}

const f32 = (shape: readonly number[], begin: number, end: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('the safetensors check', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'espalier-safetensors-'))));
  after(() => rm(folder, { recursive: true, force: true }));
  async function check(bytes: Buffer): ReturnType<typeof checkSafetensors> {
    const path = join(folder, 'model.safetensors');
    await writeFile(path, bytes);
    return checkSafetensors(path, 'model.safetensors');
  }

  it('counts what a sound file holds, in whatever order its header names it', async () => {
    const header = {
      __metadata__: { format: 'pt' },
      b: { dtype: 'BF16', shape: [3], data_offsets: [24, 30] },
      a: f32([2, 3], 0, 24),
      scalar: { dtype: 'I64', shape: [], data_offsets: [30, 38] },
      empty: { dtype: 'F16', shape: [0, 4], data_offsets: [38, 38] },
      nibbles: { dtype: 'F4', shape: [6], data_offsets: [38, 41] },
    };
    assert.deepEqual(await check(safetensors(`${JSON.stringify(header)}   `, 41)), {
      parameters: 16,
      tensors: 5,
      bytes: 41,
      metadata: { format: 'pt' },
    });
  });

  it('agrees with the library that writes such files', async () => {
    const summary = await checkSafetensors(join(await tinyModel(), 'model.safetensors'));
    assert.deepEqual(summary.metadata, { format: 'pt' });
    assert.equal(summary.bytes, summary.parameters * 4);
    assert.equal(summary.tensors, 39);
  });

  it('[real-data] agrees with the published parameter counts of real encoders', async function () {
    const data = process.env['ESPALIER_TEST_DATA'] ?? this.skip();
    const model = join(data, 'models/derived/minilm-tiny-l4-h128-v8k/model.safetensors');
    const summary = await checkSafetensors(model);
    assert.ok(Math.abs(summary.parameters / 1.92e6 - 1) < 0.01, `${summary.parameters}`);
  });

  const refused: readonly [title: string, bytes: () => Buffer, message: RegExp][] = [
    ['an empty file', () => Buffer.alloc(0), /truncated: 0 bytes/],
    ['a file shorter than its length field', () => Buffer.alloc(7), /truncated: 7 bytes/],
    ['a header longer than the file', () => safetensors({ a: f32([1], 0, 4) }, 4, 10_000n), /truncated: its header claims 10000/],
    ['a header length beyond the limit', () => safetensors('{}', 0, 100_000_001n), /claims 100000001 bytes, more than/],
    ['the largest header length there is', () => safetensors('{}', 0, 2n ** 64n - 1n), /more than the format's limit/],
    ['a header that is not UTF-8', () => Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff]), /not UTF-8/],
    ['a header that is not JSON', () => safetensors('{"a":', 0), /not JSON/],
    ['a header that is a list', () => safetensors('[]', 0), /not a JSON object/],
    ['a header that starts with a blank', () => safetensors(' {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1), /not a JSON object/],
    ['a header nested beyond the stack', () => safetensors('{"a":' + '['.repeat(2e6), 0), /not a sound safetensors file/],
    ['no tensors', () => safetensors('{"__metadata__":{"format":"pt"}}', 0), /holds no tensors/],
    ['a key named twice', () => safetensors('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1), /names a key twice/],
    ['a field named twice in a tensor', () => safetensors('{"a":{"dtype":"F64","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1), /names a key twice/],
    ['metadata that is no map of strings', () => safetensors({ __metadata__: { a: 1 }, b: f32([1], 0, 4) }, 4), /__metadata__/],
    ['an unknown dtype', () => safetensors({ a: { dtype: 'F128', shape: [1], data_offsets: [0, 16] } }, 16), /unknown dtype "F128"/],
    ['a dtype borrowed from Object', () => safetensors({ a: { dtype: 'constructor', shape: [1], data_offsets: [0, 4] } }, 4), /unknown dtype/],
    ['an unknown field', () => safetensors({ a: { ...f32([1], 0, 4), code: 'x' } }, 4), /unknown field 'code'/],
    ['a negative size', () => safetensors({ a: f32([-1, -1], 0, 4) }, 4), /shape that is not a list of sizes/],
    ['a size that overflows', () => safetensors({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4), /impossible size/],
    ['three offsets', () => safetensors({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1, 2] } }, 1), /two data offsets/],
    ['offsets that run backwards', () => safetensors({ a: f32([1], 4, 0) }, 4), /lies about its size/],
    ['a shape that lies about its bytes', () => safetensors({ a: f32([3], 0, 8) }, 8), /lies about its size: F32 \[3\] needs 12 bytes, its offsets span 8/],
    ['tensors that overlap', () => safetensors({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8), /'b' overlaps/],
    ['a gap between tensors', () => safetensors({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), /4 bytes before tensor 'b' belong to no tensor/],
    ['weights cut off', () => safetensors({ a: f32([4], 0, 16) }, 15), /truncated: its tensors need 16 bytes and it has 15/],
    ['bytes after the last tensor', () => safetensors({ a: f32([4], 0, 16) }, 17), /1 bytes after the last tensor/],
    ['a pickle by another name', () => Buffer.from('\x80\x02}q\x00.', 'latin1'), /truncated|more than/],
  ]; // prettier-ignore
  for (const [title, bytes, message] of refused) {
    it(`refuses ${title}`, async () => {
      await assert.rejects(check(bytes()), (error: { kind: string; where: string; fix: string; message: string }) => {
        assert.equal(error.kind, 'UnsafeModel');
        assert.equal(error.where, 'model.safetensors');
        assert.ok(error.fix);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

describe('a safetensors header of 100 MB', () => {
  const headers: readonly [title: string, header: () => string, message: RegExp][] = [
    ['of brackets', () => `{"a":${'['.repeat(49_900_000)}${']'.repeat(49_900_000)}}`, /more than 3 levels/],
    ['of empty objects', () => `{"a":[${'{},'.repeat(33_000_000)}{}]}`, /more than 4000000 values/],
    ['of a shape', () => `{"a":{"dtype":"U8","shape":[${'1,'.repeat(49_000_000)}1]}}`, /more than 4000000 values/],
    ['of one name', () => `{"${'\\\\'.repeat(49_900_000)}":{}}`, /unknown dtype/],
    ['of blanks', () => `{${' '.repeat(99_900_000)}}`, /no tensors/],
    ['of an open string', () => `{"${'a'.repeat(99_900_000)}`, /not JSON/],
  ];
  for (const [title, header, message] of headers) {
    // CPU time: the wall clock would also measure whatever else the machine does.
    it(`${title} is refused in seconds and without gigabytes`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'espalier-safetensors-'));
      try {
        const path = join(folder, 'model.safetensors');
        await writeFile(path, safetensors(header(), 4));
        const check = `import { peakMemoryMb } from '${new URL('../../activities/selection/peak-memory.ts', import.meta.url).href}';
          import { checkSafetensors } from '${new URL('../../activities/selection/safetensors.ts', import.meta.url).href}';
          const begin = process.cpuUsage();
          const said = await checkSafetensors('${path}', 'f').then(() => 'sound', (error) => error.message);
          console.log(JSON.stringify({ said, seconds: process.cpuUsage(begin).user / 1e6, megabytes: peakMemoryMb() }));`;
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--import', 'tsx', '--input-type=module', '-e', check],
          { timeout: 230_000 },
        );
        const { said, seconds, megabytes } = JSON.parse(stdout) as { said: string; seconds: number; megabytes: number };
        assert.match(said, message);
        assert.ok(said.length < 400);
        assert.ok(seconds < 20, `${seconds} s`);
        assert.ok(megabytes < 1000, `${megabytes} MB`);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }).timeout(240_000);
  }
});

describe('the search for duplicate keys', () => {
  const cases: readonly [json: string, duplicate: boolean][] = [
    ['{}', false],
    ['{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}', false],
    ['{"a":1,"b":{"c":1,"d":2,"c":3}}', true],
    ['[{"a":"x","a":"y"}]', true],
    ['{"a":"\\"a\\":","b":"{\\"a\\":1}"}', false],
    ['{"a" \n : "a", "b":"a"}', false],
    ['{"\\u00e9":1,"é":2}', true],
    ['{"a\\\\":1,"a":2}', false],
  ];
  for (const [json, duplicate] of cases) {
    it(`${duplicate ? 'finds' : 'finds no'} repeated key in ${json}`, () => {
      JSON.parse(json);
      assert.equal(hasDuplicateKeys(json), duplicate);
    });
  }
});

import { deepEqual, equal, match, notEqual, ok, throws } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { groupBy } from '../../activities/data/group.ts';
import { evaluateRetrieval } from '../../activities/retrieval/evaluate-retrieval.ts';
import { asPng, builtInCorruptions, corruptionsDigest } from '../../activities/validation/corruptions.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { measureCorruption } from '../../activities/validation/picture-robustness.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import { decodePicture, type Picture } from '../../inference/image/decode.ts';
import { readCorruptionTable, type CorruptionRow } from '../../pipelines/behaviour/corruption-table.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';
import { packageRoot } from '../../pipelines/load.ts';

const FOLDER = join('pipelines', 'behaviour', 'built-in');
const FILE = join(FOLDER, 'corruptions.jsonl');
const table = async (): Promise<readonly CorruptionRow[]> =>
  readCorruptionTable(await readFile(join(packageRoot(), FILE))).rows;

/** Of no pattern that a corruption would leave alone. */
function picture(width: number, height: number): Picture {
  const pixels = Uint8Array.from(
    { length: width * height * 3 },
    (_, at) => at * 37 + (at % 11) * 13 + Math.floor(at / 97) * 5,
  );
  return { width, height, pixels };
}

/** A package with this table in place of its own. */
async function packageWith<Result>(
  rows: readonly object[],
  use: (home: string) => Result | Promise<Result>,
): Promise<Result> {
  const home = await mkdtemp(join(tmpdir(), 'espalier-corruptions-'));
  try {
    await cp(join(packageRoot(), FOLDER), join(home, FOLDER), { recursive: true });
    await writeFile(join(home, FILE), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return await use(home);
  } finally {
    await rm(home, { recursive: true });
  }
}

const DARK = { name: 'dark', severity: 'mild', corruption: 'brightness', factor: 5, says: 'times 5, or divided by it' };
const TURNED = { name: 'turned', severity: 'mild', corruption: 'rotation', degrees: 90, says: '90 degrees' };

describe('the built-in table of corruptions', () => {
  /** SHA-256 of the pixels as the code made them before kinds and strengths were a table. */
  const BEFORE = {
    'noise mild': 'a5bc33615b61d00b1f778befd168159d3779e0b522820ac7637f9e5a83ec4bca',
    'noise strong': '1066fca8f80bc3379f870c170c2acd4942e4c1932428d0410dd73e3e60b14a90',
    'blur mild': 'eac8d517db0ba8001b5e6e5b7eab791cc0ba010e149722a7e2819ba0a2036136',
    'blur strong': 'ee49607869e14b2a1303a74b23c447f030713c451683cf0db98bd03c72e438b0',
    'JPEG mild': '6dc8bbc4929f385e8befb8f20441314faf890c0216ec01d21624038573016365',
    'JPEG strong': 'b52f129f5ce18bdc315f9db76f30e31515cefd0536c3b3778dc16cd872abc90c',
    'brightness mild': '9445ed877009d9024560c6af4c65ef1f005cf39997af1dde1fbdc3de2b7f7a0d',
    'brightness strong': '802f37c7c6bd282a53fd6de5f1f72d21dc0d9cb91dc1ce58c8050d4638a7ee06',
    'rotation mild': '7b8ef56ddbaeabef7cd9cc7f127ef1b98e078ce55c835b8419cdcd300505f7ff',
    'rotation strong': '077a9ecc4043ab8b941d40a0baacd7d34f7fb2b18ae32777a5c1a63d09fcfac5',
  };

  it('gives the very pictures that the code gave before there was a table, in the same order', async () => {
    const found: [string, string][] = [];
    for (const { name, severity, apply } of builtInCorruptions()) {
      const hash = createHash('sha256');
      for (const [width, height] of [
        [40, 32],
        [120, 90],
        [1, 1],
        [7, 90],
      ] as const) {
        // The first is made brighter and turned one way, the second the other.
        for (const seed of [1, 2]) {
          hash.update((await decodePicture(await apply(picture(width, height), seed), name)).pixels);
        }
      }
      found.push([`${name} ${severity}`, hash.digest('hex')]);
    }
    deepEqual(found, Object.entries(BEFORE));
  });

  it('says in words the strengths that it has in numbers', async () => {
    for (const { name, severity, says, corruption, ...strength } of await table()) {
      for (const [field, value] of Object.entries(strength)) {
        const written = field === 'share' ? `${Number((value * 100).toFixed(6))} %` : String(value);
        ok(` ${says.replaceAll(',', '')} `.includes(` ${written} `), `${name}, ${severity}: ${written} in “${says}”`);
      }
      ok(Object.keys(strength).length > 0, corruption);
    }
  });

  it('is what the docs show, and what the gates name', async () => {
    const docs = await readFile(join(packageRoot(), 'docs', 'gates.md'), 'utf8');
    const kinds = groupBy(await table(), ({ name }) => name);
    equal(kinds.size, 5);
    for (const [name, rows] of kinds) {
      const line = `| ${[name, ...rows.map(({ says }) => says)].join(' | ')} |`;
      ok(docs.includes(`\n${line}\n`), line);
      for (const gate of [GATE_TABLE.corruptionDrop, RETRIEVAL_GATE_TABLE.corruptionDrop]) {
        match(gate.meaning, new RegExp(`\\b${name}\\b`));
      }
    }
  });

  it('tells every mistake by its line, its field and what stands there', () => {
    const problems = (...lines: readonly (object | string)[]) =>
      readCorruptionTable(
        Buffer.from(lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')),
      ).problems.map(({ line, field = '', message }) => `${line} ${field}: ${message}`);
    deepEqual(problems(DARK, TURNED), []);
    const told = problems(
      DARK,
      'no JSON',
      { ...DARK, factor: 0.2 },
      { ...TURNED, severity: 'awful' },
      { ...TURNED, degrees: '90' },
      { ...DARK, corruption: 'fog' },
      { ...TURNED, factor: 2 },
      { ...DARK, name: 'JPEG', corruption: 'jpeg' },
      DARK,
    );
    const expected = [
      /^2 : /,
      /^3 factor: .*\(it is 0\.2\)$/,
      /^4 severity: .*\(it is "awful"\)$/,
      /^5 degrees: .*\(it is "90"\)$/,
      /^6 corruption: .*\(it is "fog"\)$/,
      /^7 : .*factor/,
      /^8 quality: /,
      /^8 : .*factor/,
      /^9 : is called as line 1 is$/,
    ];
    equal(told.length, expected.length, told.join('\n'));
    for (const [at, message] of expected.entries()) match(told[at]!, message);
    deepEqual(problems({ ...DARK, severity: 'strong' }, TURNED), ['1 severity: is not mild, and no row of dark is']);
    deepEqual(problems(DARK, { ...TURNED, name: 'dark', severity: 'strong' }), [
      '2 corruption: is rotation, where the mild row of dark is brightness',
    ]);
    equal(problems('').length, 1);
    equal(readCorruptionTable(Uint8Array.of(0xff)).problems.length, 1);
  });

  it('decides alone what is measured: with other rows there are other pictures, and an interval for as many kinds', async () => {
    const bytes = await asPng(picture(32, 32));
    const pictures = Array.from({ length: 12 }, (_, row) => ({
      id: `row-${row}`,
      read: () => Promise.resolve(bytes),
      expected: 0,
    }));
    const mean = ({ pixels }: Picture): number => pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
    const model: Pick<ImageModel, 'runAll' | 'config'> = {
      // Of the model only its size is looked at.
      config: { processor: { crop: { width: 32, height: 32 } } } as ImageModel['config'],
      async runAll(files) {
        const seen = await Promise.all(files.map((file) => decodePicture(file, 'a picture')));
        const probabilities = Float32Array.from(seen.flatMap((one) => (mean(one) < 60 ? [0, 1] : [1, 0])));
        return { rows: files.length, embeddings: new Float32Array(files.length), probabilities };
      },
    };
    const cost = (corruptions = builtInCorruptions()) =>
      measureCorruption(model, pictures, 2, { seed: 1, corruptions });
    const usual = await cost();
    deepEqual([usual.score.value, usual.byCorruption.length], [0, 10]);
    const { score, byCorruption, lost } = await packageWith([TURNED, DARK], (home) => cost(builtInCorruptions(home)));
    deepEqual(
      byCorruption.map(({ name, severity, says }) => [name, severity, says]),
      [TURNED, DARK].map(({ name, severity, says }) => [name, severity, says]),
    );
    ok(score.value! > 0.2, 'a fifth of the light is too little for it, where the lot says darker');
    deepEqual([lost.by, score.interval?.confidence], ['dark', 0.975]);
  });

  it('is part of what an evaluation is known by, of classifiers and finders; a broken one is Internal', async () => {
    for (const { environment } of [evaluateModel, evaluateRetrieval]) {
      const known = (await environment?.({} as never, {} as never)) as { readonly corruptions?: unknown };
      equal(known.corruptions, corruptionsDigest());
    }
    await packageWith(await table(), (home) => equal(builtInCorruptions(home).length, 10));
    await packageWith([DARK], (home) => notEqual(corruptionsDigest(home), corruptionsDigest()));
    await packageWith([TURNED, { ...DARK, factor: 0.2 }], (home) =>
      throws(() => builtInCorruptions(home), {
        kind: 'Internal',
        message: /^corruptions\.jsonl:2: factor .*\(it is 0\.2\)$/,
        fix: 'reinstall espalier',
      }),
    );
  });
});

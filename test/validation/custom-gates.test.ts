import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { url as inspectorUrl } from 'node:inspector';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JudgeCustom } from '../../activities/contract/validation.ts';
import { judgeGeneration } from '../../activities/generation/judge-generation.ts';
import { judgeRetrieval } from '../../activities/retrieval/judge-retrieval.ts';
import { stepIdentity, stepKey, type ActivityServices, type StepContext } from '../../activities/step.ts';
import { checkCustomGates } from '../../activities/validation/custom-gates/check.ts';
import { judgeCustomGates, keepsVerdict } from '../../activities/validation/custom-gates/judge.ts';
import { readCustomGates, type CustomGatesModule } from '../../activities/validation/custom-gates/module.ts';
import { GATE_LIMITS, type GateLimits } from '../../activities/validation/custom-gates/run-gate.ts';
import { judgeGatesStep } from '../../activities/validation/judge-gates.ts';
import type { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { Judged } from '../../pipelines/custom-gates.ts';
import { TextGatesSchema, CustomGatesSchema } from '../../pipelines/definition/gates.ts';
import { GenerationGatesSchema } from '../../pipelines/definition/generation-gates.ts';
import { RetrievalGatesSchema } from '../../pipelines/definition/retrieval.ts';
import { MemorisationGatesSchema } from '../../pipelines/memorisation.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';

const measured = (body: string, judges: Judged = 'labels') => `{ judges: '${judges}', measure: ${body} }`;
const MODULE = `
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { createTracing } from 'node:trace_events';
import { writeSync } from 'node:fs';
export const gates = {
  rightShare: ${measured(`({ predictions }) => ({
    value: predictions.filter(({ expected, predicted }) => expected === predicted).length / predictions.length,
    rows: predictions.length,
  })`)},
  sure: ${measured('() => ({ value: 0.9, interval: { low: 0.7, high: 0.95 }, rows: 40 })')},
  accurate: ${measured('({ measures }) => ({ value: measures.accuracy.value })')},
  throws: ${measured("() => { throw new Error('no such row'); }")},
  words: ${measured("() => 'good'")},
  nothing: ${measured('() => {}')},
  infinite: ${measured('() => ({ value: 1 / 0 })')},
  misspelt: ${measured('({ measures }) => ({ value: measures.acuracy.value })')},
  ofOthers: ${measured('({ queries }) => ({ value: queries.length })')},
  leaves: ${measured('() => process.exit(0)')},
  loops: ${measured('() => { for (;;); }')},
  waits: ${measured('() => new Promise((resolve) => setTimeout(resolve, 1e9))')},
  heap: ${measured('() => { const all = []; for (;;) all.push(Array.from({ length: 1e5 }, Math.random)); }')},
  buffers: ${measured(`() => new Promise(() => {
    const all = [];
    setInterval(() => all.length < 60 && all.push(Buffer.alloc(16e6, 1)), 5);
  })`)},
  reads: ${measured('() => readFileSync(process.execPath)')},
  starts: ${measured("() => execFileSync('true')")},
  swapped: ${measured('() => ({ value: 0.5, interval: { low: 0.95, high: 0.1 } })')},
  elsewhere: ${measured('() => ({ value: 0.5, interval: { low: 0.8, high: 0.9 } })')},
  ofNothing: ${measured('() => ({ value: null, interval: { low: 0.8, high: 0.9 } })')},
  more: ${measured('() => ({ value: 1, rows: 1, all: new Float64Array(5e7) })')},
  long: ${measured("() => { throw new Error('x'.repeat(1e8)); }")},
  text: ${measured("() => ({ value: 'x'.repeat(1e8) })")},
  pours: ${measured('() => { for (;;) writeSync(3, Buffer.alloc(65_536, 65)); }')},
  forges: ${measured(`() => { writeSync(3, '{"value":{"value":"1"}}\\n'); for (;;); }`)},
  inspects: ${measured("() => { process.kill(process.ppid, 'SIGUSR1'); return { value: 1 }; }")},
  killed: ${measured("() => { process.kill(process.pid, 'SIGKILL'); for (;;); }")},
  ended: ${measured("() => { process.kill(process.pid, 'SIGTERM'); for (;;); }")},
  where: ${measured('() => { throw new Error(process.cwd()); }')},
  listens: ${measured(`() => new Promise((resolve, reject) => {
    createServer().on('error', reject).listen('gate.sock', () => resolve({ value: 1 }));
  })`)},
  traces: ${measured(`async () => {
    const tracing = createTracing({ categories: ['node.perf', 'v8'] });
    tracing.enable();
    await new Promise((resolve) => setTimeout(resolve, 300));
    tracing.disable();
    return { value: 1 };
  }`)},
  environment: ${measured('() => ({ value: Object.keys(process.env).length })')},
};`;
const DETAILS = {
  measures: { accuracy: { value: 0.75, interval: null, rows: 2 } },
  labels: ['a', 'b'],
  predictions: [
    { rowId: '1', expected: 'a', predicted: 'a' },
    { rowId: '2', expected: 'a', predicted: 'b' },
  ],
};
const EXAMPLE = fileURLToPath(new URL('example-gates.mjs', import.meta.url));

describe('gates of one’s own', function () {
  let folder: string;
  let opened: TestStore;
  let known: CustomGatesModule;
  let details: ArtifactRef;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-gates-'));
    opened = await withStore();
    known = await moduleOf(MODULE);
    details = await opened.store.putJson(DETAILS, 'evaluation.json');
  });
  after(async () => {
    opened.close();
    await rm(folder, { recursive: true });
  });

  async function moduleOf(source: string, name = 'gates.mjs', limits?: GateLimits): Promise<CustomGatesModule> {
    const file = join(folder, name);
    await writeFile(file, source);
    const { customGates } = await readCustomGates({ ESPALIER_GATES: file }, limits);
    return customGates!;
  }

  const services = (customGates?: CustomGatesModule): ActivityServices => ({
    store: opened.store,
    pointers: opened.pointers,
    python: { executable: 'unused', packages: 'unused' },
    ...(customGates === undefined ? {} : { customGates }),
  });

  async function judged(
    gates: Record<string, unknown>,
    limits?: Partial<GateLimits>,
    signal = AbortSignal.timeout(50_000),
  ) {
    const custom: JudgeCustom = {
      gates: CustomGatesSchema.parse(gates),
      judges: 'labels',
      module: known.digest,
      details,
    };
    const context = { ...services(known), signal, progress() {} } as Pick<
      StepContext,
      'customGates' | 'store' | 'signal' | 'progress'
    >;
    return judgeCustomGates(custom, context, { ...GATE_LIMITS, ...limits });
  }

  it('are judged as all gates are: the worse end of an interval, else the value, by the definition’s threshold', async () => {
    const results = await judged({
      rightShare: { max: 0.5 },
      sure: { min: 0.8, severity: 'warn' },
      accurate: { min: 0.8 },
    });
    assert.deepEqual(
      results.map(({ name, verdict, measured: number }) => [name, verdict, number]),
      [
        ['rightShare', 'pass', 0.5],
        ['sure', 'warn', 0.7],
        ['accurate', 'fail', 0.75],
      ],
    );
    assert.match(results[1]!.reason, /the pipeline's customGates\.sure\.min \(0\.8\)/);
  });

  for (const [name, why] of [
    ['throws', /no such row/],
    ['words', /it is string; expected an object of value, interval, rows/],
    ['nothing', /it is undefined; expected an object/],
    ['infinite', /value is Infinity; expected a finite number/],
    ['swapped', /the interval from 0\.95 to 0\.1 does not hold the value, which is 0\.5/],
    ['elsewhere', /the interval from 0\.8 to 0\.9 does not hold the value, which is 0\.5/],
    ['ofNothing', /does not hold the value, which is null/],
    ['more', /it has 'all'; expected an object of value, interval, rows/],
    ['long', /Error: x{200}/],
    ['text', /value is string; expected a finite number/],
    ['pours', /its answer has more than 65536 bytes/],
    ['forges', /expected number, received string/],
    ['misspelt', /`measures` has no 'acuracy'; it has accuracy/],
    ['ofOthers', /evidence of 'labels' has no 'queries'; it has .*predictions.*eachRow/],
    ['leaves', /ended with 0 and gave nothing/],
    ['reads', /restricted/],
    ['starts', /restricted/],
  ] as const) {
    it(`fail where the function '${name}' measures nothing, and say why`, async () => {
      const [result] = await judged({ [name]: { min: 0 } });
      assert.deepEqual([result?.verdict, result?.measured], ['fail', null]);
      assert.match(result?.reason ?? '', why);
      assert.doesNotMatch(result?.reason ?? '', /base64/);
      assert.ok(result!.reason.length < 600, `${result?.reason.length}`);
      assert.equal(keepsVerdict({ verdict: 'fail', gates: [result!] }), true);
    });
  }

  it('cannot make the worker open its inspector', async () => {
    const [result] = await judged({ inspects: { min: 1 } });
    assert.equal(result?.verdict, 'pass', result?.reason);
    assert.ok(process.listenerCount('SIGUSR1') > 0);
    assert.equal(inspectorUrl(), undefined);
  });

  for (const [name, by] of [
    ['killed', 'SIGKILL'],
    ['ended', 'SIGTERM'],
  ] as const) {
    it(`are tried again where ${by} comes from elsewhere: nothing was measured`, async () => {
      await assert.rejects(judged({ [name]: { min: 0 } }), {
        kind: 'Internal',
        retryable: true,
        where: `customGates.${name}`,
        message: `the process of the gate '${name}' was ended by ${by} from elsewhere`,
      });
    });
  }

  it('are tried again where their process cannot begin', async () => {
    const { execPath } = process;
    process.execPath = join(folder, 'no-node');
    try {
      await assert.rejects(judged({ sure: { min: 0 } }), {
        kind: 'Internal',
        retryable: true,
        message: /^the process of the gate 'sure' could not be started: .*ENOENT/,
      });
      await assert.rejects(moduleOf(MODULE), { kind: 'Internal', retryable: true });
    } finally {
      process.execPath = execPath;
    }
  });

  it('leave nothing behind: their folder is their own, and gone with them', async () => {
    const results = await judged({ where: { min: 1 }, listens: { min: 1 }, traces: { min: 1 } });
    const [where, ...others] = results;
    const own = /Error: (.*espalier-gate-\w+)$/.exec(where!.reason)?.[1];
    assert.ok(own !== undefined, where?.reason);
    assert.deepEqual(
      others.map(({ verdict, reason }) => [verdict, reason]),
      others.map(({ reason }) => ['pass', reason]),
    );
    const left = [own, 'gate.sock', 'node_trace.1.log'];
    assert.deepEqual(
      left.filter((path) => existsSync(path)),
      [],
    );
  });

  it('know nothing of the worker’s environment', async () => {
    const [result] = await judged({ environment: { max: 0 } });
    assert.equal(result?.verdict, 'pass', result?.reason);
  });

  for (const name of ['loops', 'waits']) {
    it(`fail where the function '${name}' for ever, and hold up no worker`, async () => {
      const [result] = await judged({ [name]: { min: 0 } }, { mostMs: 1500 });
      assert.equal(result?.verdict, 'fail');
      assert.match(result?.reason ?? '', /took longer than 1\.5 s/);
      for (const { keeps } of [judgeGatesStep, judgeRetrieval, judgeGeneration]) {
        assert.equal(keeps?.({ verdict: 'fail', gates: [result] }, {} as never), false);
      }
    });
  }

  it('fail where the function fills the heap', async () => {
    const [result] = await judged({ heap: { min: 0 } }, { mostMb: 64 });
    assert.match(result?.reason ?? '', /took more than 64 MB of memory/);
  });

  it('fail where the function fills memory beside the heap', async function () {
    if (process.platform !== 'linux') this.skip(); // no other system tells what a process holds
    const [result] = await judged({ buffers: { min: 0 } }, { mostMb: 64 });
    assert.match(result?.reason ?? '', /took more than 64 MB of memory/);
  });

  it('end at once with the step that asks', async () => {
    const stop = new AbortController();
    const judging = judged({ waits: { min: 0 } }, {}, stop.signal);
    setTimeout(() => stop.abort(new Error('cancelled')), 200);
    await assert.rejects(judging, /cancelled/);
  });

  it('are refused as a module before a worker starts, with what is wrong', async () => {
    for (const [source, why, name] of [
      ['export const gates = { one: 1 };', /'one' is no \{ judges, measure \}/],
      ['export const gates = { one: () => ({ value: 1 }) };', /'one' is no \{ judges, measure \}/],
      [
        `export const gates = { one: { judges: 'lables', measure() {} } };`,
        /'one' judges 'lables', and what can be judged is labels, label-sets/,
      ],
      ['export const others = {};', /exports no object `gates`/],
      ["import './beside.mjs'; export const gates = {};", /beside\.mjs/],
      ['export const gates = {', /SyntaxError/],
      ["throw new Error('not today');", /not today/],
      ['export const gates = {};', /neither \.js nor \.mjs/, 'gates.py'],
    ] as const) {
      await assert.rejects(moduleOf(source, name ?? 'wrong.mjs'), (error: EspalierError) => {
        assert.deepEqual([error.kind, error.where], ['BadConfig', 'ESPALIER_GATES']);
        assert.match(error.message, why);
        return true;
      });
    }
    await assert.rejects(
      moduleOf('for (;;);', 'wrong.mjs', { ...GATE_LIMITS, mostMs: 1500 }),
      /took longer than 1\.5 s/,
    );
    await assert.rejects(readCustomGates({ ESPALIER_GATES: join(folder, 'missing.mjs') }), { kind: 'BadConfig' });
    assert.deepEqual(await readCustomGates({}), {});
  });

  it('are asked for before all work, with everything that is missing or meant for another kind of model', async () => {
    const check = (names: readonly string[], judges: Judged, module: CustomGatesModule | undefined = known) =>
      runStep(checkCustomGates, { names, judges }, services(module));
    assert.deepEqual(await check(['rightShare', 'sure'], 'labels'), { module: known.digest });
    await assert.rejects(check(['rightShare', 'rightShaer'], 'labels'), {
      kind: 'BadConfig',
      message: /there is no 'rightShaer' \(there is rightShare, sure/,
    });
    await assert.rejects(check(['rightShare', 'other'], 'label-sets'), {
      message: /'rightShare' judges labels, and this pipeline's model gives label-sets; there is no 'other'/,
    });
    await assert.rejects(runStep(checkCustomGates, { names: ['one'], judges: 'labels' }, services()), {
      message: /gates of its own \(one\), and this worker has none/,
    });
  });

  it('judge with the code that the run began with, whatever stands in the file by now, or not at all', async () => {
    const one = (value: number) => `export const gates = { one: ${measured(`() => ({ value: ${value} })`)} };`;
    const first = await moduleOf(one(1), 'changes.mjs');
    const second = await moduleOf(one(0), 'changes.mjs');
    assert.notEqual(first.digest, second.digest);
    const input = (module: CustomGatesModule) => ({
      measures: {} as never,
      gates: {} as never,
      custom: {
        gates: CustomGatesSchema.parse({ one: { min: 1 } }),
        judges: 'labels',
        module: module.digest,
        details,
      } as const,
    });
    const began = await runStep(judgeGatesStep, input(first), services(first));
    assert.deepEqual([began.verdict, began.gates.map(({ name }) => name)], ['pass', ['one']]);
    await assert.rejects(runStep(judgeGatesStep, input(first), services(second)), {
      kind: 'BadConfig',
      message: new RegExp(`began with the module of gates ${first.digest}, and this worker has ${second.digest}`),
    });
    const key = (module: CustomGatesModule) => {
      const { type, version } = judgeGatesStep;
      return stepKey(type, version, stepIdentity(judgeGatesStep, input(module)), null);
    };
    assert.notEqual(key(first), key(second));
  });

  describe('in the example of the documentation', () => {
    let example: CustomGatesModule;
    before(async () => {
      example = (await readCustomGates({ ESPALIER_GATES: EXAMPLE })).customGates!;
    });

    const custom = async (
      name: string,
      judges: Judged,
      rows: object,
      reference?: ArtifactRef,
    ): Promise<JudgeCustom> => ({
      gates: CustomGatesSchema.parse({ [name]: { max: 0.3 } }),
      judges,
      module: example.digest,
      details: await opened.store.putJson({ measures: {}, ...rows }, 'evaluation.json'),
      ...(reference === undefined ? {} : { reference }),
    });
    const last = ({
      gates,
    }: {
      readonly gates: readonly { name: string; verdict: string; measured: number | null; score: { rows: number } }[];
    }) => {
      const { name, verdict, measured: number, score } = gates.at(-1)!;
      return [name, verdict, number, score.rows];
    };
    const lines = (rows: readonly object[]) =>
      opened.store.putBytes(rows.map((row) => `${JSON.stringify(row)}\n`).join(''), {
        name: 'rows.jsonl',
        mediaType: 'application/jsonl',
      });

    it('stand as they run here', async () => {
      const documentation = await readFile(new URL('../../docs/gates.md', import.meta.url), 'utf8');
      assert.ok(documentation.includes(`\`\`\`js\n${await readFile(EXAMPLE, 'utf8')}\`\`\``));
    });

    it('judge a classifier', async () => {
      const predictions = ['refund', 'refund', 'refund', 'other'].map((expected, row) => ({
        expected,
        predicted: row === 0 ? 'refund' : 'other',
      }));
      const input = {
        measures: {} as never,
        gates: TextGatesSchema.parse({}),
        custom: await custom('refundRecall', 'labels', { predictions }),
      };
      assert.deepEqual(last(await runStep(judgeGatesStep, input, services(example))), [
        'refundRecall',
        'fail',
        1 / 3,
        3,
      ]);
    });

    it('judge several labels a text, each with its probability', async () => {
      const rows = [0.9, 0.01, 0.02].map((chance, row) => ({
        expected: row < 2 ? ['urgent'] : [],
        predicted: [],
        chance,
      }));
      const bytes = Buffer.from(Float32Array.from(rows.flatMap(({ chance }) => [0.5, chance])).buffer);
      const file = await opened.store.putBytes(bytes, {
        name: 'probabilities.f32',
        mediaType: 'application/octet-stream',
      });
      const reference = await opened.store.putManifest([{ path: 'probabilities.f32', ref: file }], 'reference');
      const given = { labels: ['calm', 'urgent'], predictions: rows };
      const input = {
        measures: {} as never,
        gates: TextGatesSchema.parse({}),
        custom: await custom('urgentLost', 'label-sets', given, reference),
      };
      assert.deepEqual(last(await runStep(judgeGatesStep, input, services(example))), ['urgentLost', 'fail', 0.5, 2]);
    });

    it('judge pictures that are found, row by row from a file of all', async () => {
      const found = (label: string, similarity: number) => ({ label: 'nut', found: [{ id: 'x', label, similarity }] });
      const file = await lines([
        found('bolt', 0.95),
        found('bolt', 0.5),
        found('nut', 0.99),
        { label: 'nut', found: [] },
      ]);
      const input = {
        measures: {} as never,
        gates: RetrievalGatesSchema.parse({}),
        custom: await custom('surelyWrong', 'neighbours', { queries: [], allQueries: { rows: 4, file } }),
      };
      assert.deepEqual(last(await runStep(judgeRetrieval, input, services(example))), ['surelyWrong', 'pass', 0.25, 4]);
    });

    it('judge answers', async () => {
      const answers = ['Yes.', 'Your parcel will be with you on Tuesday.', 'Please tell us your order number.'];
      const input = {
        measures: {},
        gates: GenerationGatesSchema.parse({}),
        memorisation: null,
        memorisationGates: MemorisationGatesSchema.parse({}),
        custom: await custom('shortAnswers', 'answers', { answers: answers.map((answer) => ({ answer })) }),
      };
      const verdict = await runStep(judgeGeneration, input, services(example));
      assert.deepEqual(last(verdict), ['shortAnswers', 'fail', 1 / 3, 3]);
      assert.equal(verdict.verdict, 'fail');
    });
  });
});

import { deepEqual, equal, match, ok, rejects, throws } from 'node:assert/strict';
import { evaluateGenerator } from '../../activities/generation/evaluate-generator.ts';
import { profileGenerator } from '../../activities/generation/profile-generator.ts';
import { evaluateRetrieval } from '../../activities/retrieval/evaluate-retrieval.ts';
import { areAlike, requireHardware, unlikeMachines } from '../../activities/selection/machines.ts';
import { armProcessor, processor, processorName } from '../../activities/selection/processor.ts';
import { hardware, machine, profileEncoder } from '../../activities/selection/profile-encoder.ts';
import { stepKey, type ActivityServices } from '../../activities/step.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { offClass } from '../../pipelines/hardware-class.ts';
import { GeneratorSelectionSchema, GenerationDefaultsSchema } from '../../pipelines/definition/generation.ts';
import { SelectionSchema } from '../../pipelines/definition/selection.ts';
import { runStep } from '../support/step.ts';
import { ref } from '../support/workflow.ts';

const EPYC = { cpu: 'AMD EPYC 9554P 64-Core Processor', cores: 8, arch: 'x64', runtime: 'onnxruntime-node 1.30.0' };

describe('a class of hardware', () => {
  it('is told by part of the processor’s name, cores and architecture, each as far as it is named', () => {
    deepEqual(offClass(EPYC, { cpu: 'epyc 9', cores: 8, arch: 'x64' }), []);
    deepEqual(offClass(EPYC, { cpu: 'EPYC' }), []);
    deepEqual(offClass(EPYC, { cpu: 'Xeon', cores: 4, arch: 'arm64' }), [
      "its processor is 'AMD EPYC 9554P 64-Core Processor', not a 'Xeon'",
      'it has 8 cores, not 4',
      'it is x64, not arm64',
    ]);
  });

  it('names something, and nothing that there is not', () => {
    for (const schema of [SelectionSchema, GeneratorSelectionSchema]) {
      deepEqual(schema.parse({ hardware: { cores: 4 } }).hardware, { cores: 4 });
      ok(!('hardware' in schema.parse({})));
      for (const wrong of [{}, { cpu: '' }, { cores: 0 }, { memory: 4 }, 'EPYC']) {
        ok(!schema.safeParse({ hardware: wrong }).success, JSON.stringify(wrong));
      }
    }
  });

  it('that this machine is not of ends a profile or an evaluation before anything is fetched, and another worker may take it', async () => {
    const input = { dataset: ref('data'), hardware: { cpu: 'no such processor' } };
    const services = {} as ActivityServices;
    const error = {
      kind: 'WrongHardware',
      retryable: true,
      where: 'selection.hardware',
      message: /its processor is '.+', not a 'no such processor'/,
      fix: /espalier-cpu/,
    };
    await rejects(runStep(profileEncoder, { ...input, encoder: ref('encoder') }, services), error);
    const generation = GenerationDefaultsSchema.parse({});
    await rejects(runStep(profileGenerator, { ...input, generator: ref('generator'), generation }, services), error);
    const evaluated = { ...input, exportParityMaxAbs: 0, seed: 7 };
    const baseline = { encoder: ref('encoder'), probe: ref('probe') };
    await rejects(runStep(evaluateModel, { ...evaluated, classifier: ref('model'), baseline }, services), error);
    const indexed = { index: ref('index'), model: ref('model'), k: 5 };
    await rejects(runStep(evaluateRetrieval, { ...evaluated, ...indexed }, services), error);
    const chosen = { generator: ref('generator'), base: ref('base'), tuned: false, guidelines: ref('guidelines') };
    await rejects(runStep(evaluateGenerator, { ...evaluated, ...chosen }, services), error);
    throws(() => requireHardware(EPYC, { cores: 4 }), { kind: 'WrongHardware', message: /8 cores, not 4/ });
    requireHardware(EPYC, undefined);
    requireHardware(EPYC, { cores: 8 });
  });

  it('is part of the key of a profile where it is declared, and what a machine has of memory never is', () => {
    const input = { encoder: ref('encoder'), dataset: ref('data') };
    const key = (asked: object) => stepKey(profileEncoder.type, profileEncoder.version, asked, hardware());
    ok(key({ ...input, hardware: { cores: 8 } }) !== key(input));
    ok(!('memoryMb' in hardware()), 'it differs from boot to boot');
    ok((machine().memoryMb ?? 0) > 100);
  });
});

describe('machines that candidates were timed on', () => {
  const other = { ...EPYC, cpu: 'Intel Xeon' };

  it('are alike where only their memory differs, unlike by processor, cores, architecture or runtime', () => {
    ok(areAlike([]));
    ok(areAlike([{ hardware: { ...EPYC, memoryMb: 1000 } }, { hardware: { ...EPYC, memoryMb: 1001 } }]));
    for (const part of [{ cpu: 'x' }, { cores: 4 }, { arch: 'arm64' }, { runtime: 'onnxruntime-node 1.31.0' }]) {
      ok(!areAlike([{ hardware: EPYC }, { hardware: { ...EPYC, ...part } }]), JSON.stringify(part));
    }
  });

  it('are told candidate by candidate where they are unlike', () => {
    equal(unlikeMachines([{ id: 'a', hardware: EPYC }]), '');
    const told = unlikeMachines([
      { id: 'a', hardware: EPYC },
      { id: 'b', hardware: other },
      { id: 'c', hardware: EPYC },
    ]);
    match(
      told,
      /a, c on AMD EPYC 9554P 64-Core Processor \(8 cores, x64\), onnxruntime-node 1\.30\.0; b on Intel Xeon/,
    );
    match(told, /latency decides between equals only where all of them were timed on one kind of machine/);
  });
});

describe('the name of a processor', () => {
  const core = (processorId: number, implementer: string, part: string): string =>
    [
      `processor\t: ${processorId}`,
      'BogoMIPS\t: 243.75',
      'Features\t: fp asimd',
      `CPU implementer\t: ${implementer}`,
      'CPU architecture: 8',
      'CPU variant\t: 0x1',
      `CPU part\t: ${part}`,
      'CPU revision\t: 1',
    ].join('\n');
  const n1 = `${core(0, '0x41', '0xd0c')}\n\n${core(1, '0x41', '0xd0c')}\n`;
  const v1 = `${core(0, '0x41', '0xd40')}\n`;

  it('is the runtime’s where it has one, and on ARM else what the kernel says of maker and part', () => {
    equal(processorName(' AMD EPYC 9554P ', n1, 'a'), 'AMD EPYC 9554P');
    equal(processorName('unknown', n1, 'a'), 'ARM implementer 0x41 part 0xd0c');
    equal(processorName('unknown', n1, 'a'), processorName(undefined, n1, 'b'), 'whatever the host');
    const mixed = `${core(0, '0x41', '0xd05')}\n\n${core(1, '0x41', '0xd41')}\n\n${core(2, '0x41', '0xD05')}\n`;
    equal(armProcessor(mixed), 'ARM implementer 0x41 part 0xd05 and implementer 0x41 part 0xd41');
    for (const none of ['', 'model name\t: Example CPU 3000\n', 'CPU implementer\t: 0x41\n\nCPU part\t: 0xd0c\n']) {
      equal(armProcessor(none), undefined, none);
    }
    ok(processor() !== '' && processor() !== 'unknown');
    equal(hardware().cpu, processor());
  });

  it('tells two unlike ones apart that the runtime calls unknown, and takes one that nobody knows for no other host’s', () => {
    const timed = (cpuinfo: string, host: string) => ({
      hardware: { ...EPYC, arch: 'arm64', cpu: processorName('unknown', cpuinfo, host) },
    });
    ok(!areAlike([timed(n1, 'a'), timed(v1, 'b')]));
    ok(areAlike([timed(n1, 'a'), timed(n1, 'b')]));
    ok(!areAlike([timed('', 'a'), timed('', 'b')]));
    ok(areAlike([timed('', 'a'), timed('', 'a')]));
    deepEqual(offClass(timed(v1, 'a').hardware, { cpu: 'part 0xd40' }), []);
  });
});

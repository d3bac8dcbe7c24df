/** Runs whose prototypes are held against them: small enough that both take minutes. */
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PipelineDefinition } from '../../pipelines/definition.ts';
import { GENERATION_GATE_NAMES } from '../../pipelines/gates/generation.ts';
import { RETRIEVAL_GATE_NAMES } from '../../pipelines/gates/retrieval.ts';

export interface ForetoldCase {
  readonly prototype: { readonly trainRows: number; readonly measuredRows: number };
  /** Its files are put into the folder. */
  readonly definition: (folder: string) => Promise<PipelineDefinition>;
}

/** Throws where the test data are not declared. */
function data(...path: string[]): string {
  const root = process.env['ESPALIER_TEST_DATA'];
  if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
  return join(root, ...path);
}

const warns = { severity: 'warn' } as const;
const off = { severity: 'off' } as const;
const approvals = { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } };

/** A story teller's sentences keep them now and then. */
const EASY = `version: 1
checks:
  - { id: short, kind: length, minWords: 3, maxWords: 60 }
  - { id: no-lily, kind: banned-phrases, phrases: [Lily] }
`;
/** What a story teller's sentences hardly keep; more checks may be written below them. */
export const BOOKING_GUIDELINES = `version: 1
role: You answer the customers of a booking service.
checks:
  - { id: short, kind: length, minWords: 3, maxWords: 40, maxSentences: 4 }
  - { id: to-the-customer, kind: pattern, pattern: '\\b(you|your|I|what|which|where|when)\\b', expect: match, ignoreCase: true }
  - { id: no-story, kind: banned-phrases, phrases: [once upon a time, Lily, Tim, mom, little girl] }
  - { id: ends, kind: pattern, pattern: '[.?!]$', expect: match }
`;

/** stories260K asked by customers of a booking service; 284 test prompts. Gates that ask again are off: nothing is foretold of them. */
function replies(guidelines: string, target: number): ForetoldCase {
  return {
    prototype: { trainRows: 400, measuredRows: 60 },
    async definition(folder) {
      for (const name of ['train.jsonl', 'test.jsonl']) {
        await copyFile(data('datasets/sgd-replies', name), join(folder, name));
      }
      await writeFile(join(folder, 'guidelines.yaml'), guidelines);
      return {
        name: 'booking-replies',
        task: 'text-generation',
        data: {
          files: { train: ['train.jsonl'], test: ['test.jsonl'] },
          prompt: 'user',
          completion: 'reply',
          licence: 'CC-BY-SA-4.0',
          source: 'Schema-Guided Dialogue',
        },
        guidelines: 'guidelines.yaml',
        intendedUse: { commercial: true, domain: 'booking' },
        candidates: [{ id: 'stories260k', model: data('models/karpathy/tinyllamas-stories260K') }],
        selection: { prompts: { systems: ['Answer the customer.'], examples: [0], maxPrompts: 40 } },
        adherence: { target },
        training: { method: 'full', epochs: 2, batchSize: 16, learningRate: 2e-3, maxLength: 512 },
        memorisation: {
          canaries: { count: 0 },
          measure: { texts: 20, prompts: 2, newTokens: 4, samples: 0 },
          gates: { canaryExposure: off, membershipAuc: off, verbatimOverlap: off },
        },
        generation: { maxNewTokens: 48 },
        gates: {
          ...Object.fromEntries(GENERATION_GATE_NAMES.map((name) => [name, off])),
          adherence: { min: 0.5, ...warns },
          gainOverUnprompted: warns,
        },
        approvals,
        deploy: { model: 'replies' },
      };
    },
  };
}

const FORETOLD_GATES = new Set(['recallAtK', 'meanAveragePrecision', 'sizeMb', 'memoryMb', 'latencyP95Ms']);

/** Photographs of CIFAR-10, by a backbone that knows ImageNet: 4,000 to search, of which the run holds some back; the test pictures are its own. */
function finder(backbone: string): ForetoldCase {
  return {
    prototype: { trainRows: 200, measuredRows: 200 },
    async definition(folder) {
      for (const name of ['train.tar', 'test.tar']) {
        await writeFile(join(folder, name), await readFile(data('datasets/cifar10-jpeg', name)));
      }
      return {
        name: 'photographs',
        task: 'image-retrieval',
        data: {
          files: { train: ['train.tar'], test: ['test.tar'] },
          licence: 'CC0-1.0',
          source: 'CIFAR-10',
          nearDuplicates: { action: 'warn' },
        },
        intendedUse: { commercial: true, domain: 'photographs' },
        candidates: [{ id: 'backbone', model: data('models', backbone) }],
        retrieval: { k: 5 },
        // Foretold, and none of them ends the run.
        gates: Object.fromEntries(RETRIEVAL_GATE_NAMES.map((name) => [name, FORETOLD_GATES.has(name) ? warns : off])),
        approvals,
        deploy: { model: 'photographs' },
      };
    },
  };
}

export const FORETOLD_CASES: Readonly<Record<string, ForetoldCase>> = {
  prompted: replies(EASY, 0.3),
  tuned: replies(BOOKING_GUIDELINES, 0.9),
  finder: finder('akamaster/resnet20-cifar10'),
  'large-finder': finder('google/mobilenet_v2_1.0_224-dequant'),
};

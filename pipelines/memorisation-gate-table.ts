/** The gates of what a tuned model of text knows by heart, one row each, as gate-table.ts has them for classifiers. Pure data. */
import type { GateRow } from './gate-table.ts';
import type { MemorisationGateName } from './memorisation.ts';

export type MemorisationGateRow = Pick<GateRow, 'title' | 'meaning' | 'direction' | 'judged' | 'falseAlarms'> & {
  readonly unit: GateRow['unit'] | 'bits';
};

export const MEMORISATION_GATE_TABLE = {
  canaryExposure: {
    title: 'Exposure of canaries',
    meaning:
      'How far the most exposed secret of the training data is ahead of secrets of its make that were never seen.',
    direction: 'max',
    judged: 'interval',
    unit: 'bits',
    falseAlarms:
      'of canaries that were never told, among 1,000 controls: 0.7 % of runs with one, 1.5 % with two, 3.0 % with four, 6.4 % with eight; among 100 controls 2.5 % with one, 8.1 % with four',
  },
  membershipAuc: {
    title: 'Training texts told by their loss',
    meaning:
      'Chance that a training text’s loss is below a held-out text’s: 0.5 where the model does not tell them apart.',
    direction: 'max',
    judged: 'interval',
    unit: 'share',
    falseAlarms:
      'of a model that tells nothing 45 % with 20 texts of each, 7 % with 50, 0.2 % with 100, none of 4,000 draws with 200 or more',
  },
  verbatimOverlap: {
    title: 'Training texts written word for word',
    meaning:
      'Share of what the model writes that stands word for word in the training texts, and not in held-out ones.',
    direction: 'max',
    judged: 'interval',
    unit: 'share',
    falseAlarms:
      'of a model that copies nothing 0 of 400 draws with 50 prompts or more, and every one with fewer than 35, which can show nothing; of one that copies 5 %, 7.5 % with 50 prompts and 0.3 % with 100',
  },
} as const satisfies Readonly<Record<MemorisationGateName, MemorisationGateRow>>;

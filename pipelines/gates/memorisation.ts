/** The gates of what a tuned model of text knows by heart, one row each, as table.ts has them for classifiers. Pure data. */
import type { GateRow } from './row.ts';
import type { MemorisationGateName } from '../memorisation.ts';

export type MemorisationGateRow = Pick<
  GateRow,
  'title' | 'meaning' | 'direction' | 'judged' | 'falseAlarms' | 'examples'
> & {
  readonly unit: GateRow['unit'] | 'bits';
};

export const MEMORISATION_GATE_TABLE = {
  canaryExposure: {
    title: 'Exposure of canaries',
    meaning:
      'How far the most exposed secret of the training data is ahead of secrets of its make that were never seen, beyond what so many are ahead by luck.',
    direction: 'max',
    judged: 'value',
    unit: 'bits',
    falseAlarms:
      'of canaries that were never told at most 4.97 % of runs, exactly, however many canaries and controls; 4.4 % of 4,000 draws with eight among 1,000',
    examples: {
      none: 'canaries are secrets that nobody has: the report counts them, and no row of the data is judged',
    },
  },
  membershipAuc: {
    title: 'Training texts told by their loss',
    meaning:
      'Chance that a training text’s loss is below a held-out text’s: 0.5 where the model does not tell them apart.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    falseAlarms:
      'of a model that tells nothing 0.4 % of 4,000 draws with 6 texts of each, 0.07 % with 20, none with 50 or more; of one at the limit 1.8 to 3.6 % with 6 to 500 texts, whatever the losses’ form',
    examples: {
      none: 'a text that is learnt by heart is not shown to more people: losses by row are in memorisation.json',
    },
  },
  verbatimOverlap: {
    title: 'Training texts written word for word',
    meaning:
      'Share of what the model writes that stands word for word in the training texts, and not in held-out ones.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    falseAlarms:
      'of a model that copies nothing, or 1 %, none of 400 draws with 10 to 200 prompts; of one at the limit at most 1 %',
    examples: {
      none: 'a text that is learnt by heart is not shown to more people: what was copied is counted by row in memorisation.json',
    },
  },
} as const satisfies Readonly<Record<MemorisationGateName, MemorisationGateRow>>;

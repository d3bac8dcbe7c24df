/** What attacks left of right answers, of classifiers and of first neighbours, and how hard they were. */
import type { Content } from '../../../artifacts/html.ts';
import type { RunFacts } from '../../contract/evidence.ts';
import type { AttackMeasures, SquareAttackMeasures } from '../../contract/validation.ts';
import { count, score, significant } from '../format.ts';

type Facts = readonly (readonly [string, Content])[];

export function attackFacts({ attack, squareAttack }: Pick<RunFacts, 'attack' | 'squareAttack'>): Facts {
  return [
    ...(attack === undefined ? [] : attacked(attack)),
    ...(squareAttack === undefined ? [] : asked(squareAttack)),
  ];
}

/** An attack's settings are half of what its figures mean. */
function attacked({ measures, accuracy, withoutGradient, attack }: AttackMeasures): Facts {
  const { epsilonLevels, steps, stepLevels } = attack;
  const within = `no pixel moved by more than ${significant(epsilonLevels)} of 255 levels`;
  return [
    ['Test pictures drawn to be attacked, right without', score(accuracy)],
    [`Of these right under FGSM, ${within}`, score(measures.fgsmRobustness)],
    [
      `Of these right under PGD, ${within}: ${count(steps)} steps of ${significant(stepLevels)} from a random start`,
      score(measures.pgdRobustness),
    ],
    ...(withoutGradient === 0
      ? []
      : [
          [
            'Right, but no pixel changes the loss',
            `${count(withoutGradient)}: the attack had no way, and they count as lost`,
          ] as const,
        ]),
  ];
}

/** The same of one that only asks. */
function asked({ measures, accuracy, queriesToLose, attack: { epsilonLevels, queries } }: SquareAttackMeasures): Facts {
  return [
    ['Test pictures drawn for the attack without gradients, right as they are', score(accuracy)],
    [
      `Of these right under the square attack, no pixel moved by more than ${significant(epsilonLevels)} of 255 levels: up to ${count(queries)} questions each`,
      score(measures.squareRobustness),
    ],
    ...(queriesToLose === null
      ? []
      : [['Questions that it took to lose one, at the median', count(queriesToLose)] as const]),
  ];
}

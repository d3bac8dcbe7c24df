/** Guidelines as a judge of answers. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { GuidelineCheck } from '../../pipelines/guidelines/checks.ts';
import { GuidelinesSchema, type Guidelines } from '../../pipelines/guidelines/guidelines.ts';
import type { CheckContext } from './guidelines/checker.ts';
import { prepareCheck } from './guidelines/rules.ts';

export interface BrokenCheck {
  readonly id: string;
  /** What is wrong, without personal data. */
  readonly detail: string;
}
export interface Judgement {
  /** Every guideline of severity `gate` that is about the prompt is kept. */
  readonly adherent: boolean;
  /** Share of the guidelines about the prompt that are kept, by their weights; 1 where none is about it. */
  readonly weighted: number;
  /** Ids, in the guidelines' order. */
  readonly broken: readonly string[];
  readonly details: readonly BrokenCheck[];
  /** Ids of the checks that were about the prompt. */
  readonly applied: readonly string[];
}
export interface Judge {
  readonly checks: readonly (Pick<GuidelineCheck, 'id' | 'kind' | 'severity'> & { readonly meaning: string })[];
  /** What a model is told. */
  readonly rules: string;
  /** How the house declines, besides the forms of ours. */
  readonly declineBy: readonly string[];
  readonly of: (answer: string, context: CheckContext) => Judgement;
}

/** @throws ZodError where what is stored are no guidelines: who stored them has checked them */
export async function readJudge(store: ArtifactStore, guidelines: ArtifactRef): Promise<Judge> {
  return judgeBy(GuidelinesSchema.parse(await store.getJson<unknown>(guidelines)));
}

export function judgeBy({ role, checks }: Guidelines): Judge {
  const prepared = checks.map((check) => prepareCheck(check));
  return {
    checks: prepared.map(({ check: { id, kind, severity }, meaning }) => ({ id, kind, severity, meaning })),
    rules: [...(role === undefined ? [] : [role]), ...prepared.map(({ tell }) => `- ${tell}`)].join('\n'),
    declineBy: checks.flatMap((check) => (check.kind === 'refusal' ? check.declineBy : [])),
    of(answer, context) {
      const applied = prepared.filter(({ applies }) => applies(context));
      const broken = applied.flatMap(({ check, fault }) => {
        const detail = fault(answer, context);
        return detail === undefined ? [] : [{ check, detail }];
      });
      const all = applied.reduce((sum, { check }) => sum + check.weight, 0);
      const lost = broken.reduce((sum, { check }) => sum + check.weight, 0);
      return {
        adherent: broken.every(({ check }) => check.severity === 'soft'),
        weighted: all === 0 ? 1 : 1 - lost / all,
        broken: broken.map(({ check }) => check.id),
        details: broken.map(({ check, detail }) => ({ id: check.id, detail })),
        applied: applied.map(({ check }) => check.id),
      };
    },
  };
}

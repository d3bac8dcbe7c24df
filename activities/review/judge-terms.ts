/**
 * The licence of a model judged once more: by the same evaluator, from what was declared then, on the day and by the
 * policy of now, with what the source says by now. A changed source is for a person, and never decides alone: what was
 * fetched under the earlier terms may still be held under them.
 */
import type { Digest } from '../../artifacts/reference.ts';
import { SEVERITY, evaluate } from '../../pipelines/licence/evaluate.ts';
import { compilePolicy, NO_POLICY } from '../../pipelines/licence/policy.ts';
import { ASK_A_PERSON } from '../../pipelines/licence/rows.ts';
import { changeText, textChanges, type KnownText } from '../../pipelines/licence/text-changes.ts';
import type { UseFacts } from '../../pipelines/licence/use.ts';
import { parseModelSource } from '../../pipelines/sources.ts';
import type { ModelTerms, Reason } from '../../pipelines/licence/decision.ts';
import type { ResolvedModel } from '../contract/selection.ts';
import type { SourceTerms, TermsVerdict } from '../contract/review.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { currentPolicy, type PolicyQuestion } from './current-policy.ts';
import { declaredIn, readSource, type SourceContext } from './source-terms.ts';

export interface TermsQuestion extends PolicyQuestion {
  /** As the definition names it. */
  readonly model: string;
  readonly resolved: ResolvedModel;
  readonly use: UseFacts;
  readonly sizeBytes: number | null;
  /** What the source said when this was last shown to people, where it was read. */
  readonly shown?: SourceTerms | undefined;
  /** Where the texts that it was decided on still lie, by path. */
  readonly kept: ReadonlyMap<string, Digest>;
}

export type TermsContext = SourceContext & Parameters<typeof currentPolicy>[1];

export async function judgeTerms(question: TermsQuestion, context: TermsContext): Promise<TermsVerdict> {
  const { resolved, use, sizeBytes, model } = question;
  const { licence } = resolved;
  const today = new Date().toISOString().slice(0, 10);
  const { policy, ref, from } = await currentPolicy(question, context);
  const compiled = policy === undefined ? NO_POLICY : compilePolicy(policy);
  const parsed = parseModelSource(model);
  const identity = {
    model: parsed.kind === 'hf' ? parsed.repository : resolved.source,
    revision: resolved.revision,
    texts: (licence.texts ?? []).map(({ digest }) => digest),
  };
  const judge = (terms: ModelTerms) => evaluate({ terms, use, identity, sizeBytes, today }, compiled);
  const { source, terms: declaredNow } = await readSource(model, resolved, context);
  const judged = judge(licence.terms ?? UNRECORDED);
  const { changes, findings } = await compareSource(question, source, context.store);
  if (findings.length > 0 && declaredNow !== undefined) {
    // Of the same parents it is known what they said; they are not asked again.
    const parents = declaredNow.parents.map(
      (parent) => licence.terms?.parents.find(({ model: known }) => known === parent.model) ?? parent,
    );
    const { verdict, reasons } = judge({ ...declaredNow, parents });
    if (SEVERITY[verdict] > SEVERITY[judged.verdict])
      findings.push(
        review(`under what the source declares now, this use would be: ${verdict}, ${reasons[0]?.text ?? ''}`),
      );
  }
  const verdict = findings.length > 0 && judged.verdict === 'allow' ? 'review' : judged.verdict;
  // A permission gives way to what speaks against it.
  const reasons = [...findings, ...judged.reasons].filter((one) => verdict === 'allow' || one.verdict !== 'allow');
  const { by } = compiled.conclusion(identity, today);
  return {
    checkedAt: new Date().toISOString(),
    verdict,
    concluded: judged.concluded,
    reasons: reasons.map(({ text, clause, source: where }) => `${text} (${clause}; ${where})`),
    howToFix: [...new Set([...judged.howToFix, ...(findings.length > 0 ? [ASK_A_PERSON] : [])])],
    policyDigest: compiled.digest,
    policyFrom: from,
    ...(ref === undefined ? {} : { policy: ref }),
    source,
    changes,
    ...(by === undefined ? {} : { conclusion: { by: by.by, reason: by.reason, expires: by.expires } }),
  };
}

/** Of a decision that was recorded before its terms were: nothing is known, so a person looks at it. */
const UNRECORDED: ModelTerms = {
  declared: [],
  name: null,
  link: null,
  doubts: ['what was declared when it was decided is not on record'],
  parents: [],
  relation: null,
  datasets: [],
  gated: false,
};

const review = (text: string): Reason => ({
  verdict: 'review',
  text,
  clause: 'the source, read again',
  source: 'what the model declares',
});

async function compareSource(
  { resolved: { licence }, shown, kept }: TermsQuestion,
  source: SourceTerms,
  store: ArtifactStore,
): Promise<{ changes: TermsVerdict['changes']; findings: Reason[] }> {
  if (source.state !== 'read') return { changes: [], findings: [] };
  const text = async (digest: Digest | undefined): Promise<string | undefined> =>
    digest !== undefined && (await store.has(digest)) ? (await store.getBytes(digest)).toString('utf8') : undefined;
  const known = (texts: readonly { path: string; digest: Digest; at: Digest | undefined }[]): Promise<KnownText[]> =>
    Promise.all(texts.map(async ({ path, digest, at }) => ({ path, digest, text: await text(at) })));
  const before =
    shown?.state === 'read'
      ? shown.texts.map(({ path, digest, ref }) => ({ path, digest, at: ref.digest }))
      : (licence.texts ?? []).map(({ path, digest }) => ({ path, digest, at: kept.get(path) }));
  const after = source.texts.map(({ path, digest, ref }) => ({ path, digest, at: ref.digest }));
  const changes = textChanges(await known(before), await known(after));
  const declared = shown?.state === 'read' ? shown.declared : declaredIn(licence.terms ?? UNRECORDED);
  const same = declared.join() === source.declared.join();
  const say = (ids: readonly string[]): string => (ids.length === 0 ? 'nothing' : ids.join(', '));
  return {
    changes,
    findings: [
      ...changes.map((change) => review(`at the source, ${changeText(change)}`)),
      ...(same ? [] : [review(`the source declared ${say(declared)} and declares ${say(source.declared)} by now`)]),
    ],
  };
}

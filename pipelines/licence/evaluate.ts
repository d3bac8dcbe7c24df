/**
 * The one evaluator: what is declared and inherited, against one intended use. Pure and table-driven; the check, the
 * pre-check, the review and the report all ask it.
 *
 * allow = the record decides every condition, and what is left to do is mechanical; review = missing, ambiguous,
 * conflicting, or a matter of judgement; deny = a text forbids the stated use, or a stated duty is unmet.
 */
import { answer } from './asks.ts';
import type { Judgement, LicenceVerdict, ModelIdentity, ModelTerms, Obligation, Reason } from './decision.ts';
import { classifyDomain } from './domains.ts';
import { NO_POLICY, type CompiledPolicy } from './policy.ts';
import { ASK_A_PERSON, findLicence, whyUnknown, type Finding, type Row } from './rows.ts';
import { TRIGGERS } from './terms.ts';
import type { UseFacts } from './use.ts';

export interface Case {
  readonly terms: ModelTerms;
  readonly use: UseFacts;
  /** Without it no conclusion of the policy applies. */
  readonly identity?: ModelIdentity | undefined;
  /** Of the files that would be loaded; null when not known. */
  readonly sizeBytes?: number | null | undefined;
  /** `YYYY-MM-DD`: conclusions end. */
  readonly today: string;
}

export const SEVERITY: Readonly<Record<LicenceVerdict, number>> = { allow: 0, review: 1, deny: 2 };

/** Everything found on the way to a verdict. */
interface Notes {
  readonly findings: Finding[];
  readonly obligations: Obligation[];
  readonly rows: Set<Row>;
  unknown: boolean;
}

export function evaluate(asked: Case, policy: CompiledPolicy = NO_POLICY): Judgement {
  const notes: Notes = { findings: [], obligations: [], rows: new Set(), unknown: false };
  const { use, terms } = asked;
  const concluded = policy.conclusion(asked.identity, asked.today);
  for (const finding of concluded.findings) notes.findings.push(finding);
  if (concluded.row === null) judgeModel(terms, 'the model', use, policy, notes);
  else judgeRow(concluded.row, use, policy, notes);
  const domain = domainFinding(use);
  if (domain !== undefined) notes.findings.push(domain);
  judgeSize(asked, notes);
  for (const finding of policy.judge(notes.rows, use)) notes.findings.push(finding);
  return conclude(notes);
}

function conclude({ findings, obligations, rows, unknown }: Notes): Judgement {
  let verdict: LicenceVerdict = 'allow';
  let strictest: Row | undefined;
  for (const finding of findings) if (SEVERITY[finding.verdict] > SEVERITY[verdict]) verdict = finding.verdict;
  for (const row of rows) if (strictest === undefined || row.restrictions > strictest.restrictions) strictest = row;
  const reasons: Reason[] = [];
  const fixes = new Set<string>();
  // The worst first: a reader stops at the first line.
  for (const level of ['deny', 'review'] as const) {
    for (const finding of findings) {
      if (finding.verdict !== level) continue;
      reasons.push(finding);
      if (level === verdict) fixes.add(finding.fix);
    }
  }
  if (verdict === 'allow') for (const row of rows) reasons.push(row.permitted);
  return {
    verdict,
    concluded: unknown || strictest === undefined ? null : strictest.licence.id,
    licences: rows.size === 0 ? [] : Array.from(rows, ({ licence }) => licence.id),
    reasons,
    obligations: rows.size > 1 ? [...new Set(obligations)] : obligations,
    howToFix: [...fixes],
  };
}

const DECLARATION = 'what the model declares';
const open = (text: string, clause: string, verdict: LicenceVerdict = 'review', fix = ASK_A_PERSON): Finding => ({
  verdict,
  text,
  clause,
  source: DECLARATION,
  fix,
});

function judgeModel(terms: ModelTerms, who: string, use: UseFacts, policy: CompiledPolicy, notes: Notes): void {
  const { unknownLicence, conflict } = policy.defaults;
  const doubt = (text: string, clause: string): void => {
    notes.unknown = true;
    notes.findings.push(open(text, clause, unknownLicence));
  };
  const own = new Set<Row>();
  for (const { id } of terms.declared) {
    const row = findLicence(id);
    if (row !== undefined) own.add(row);
    else doubt(`${whyUnknown(id)}${called(terms)}`, 'license');
  }
  if (terms.declared.length === 0) {
    doubt(`no licence is declared for ${who}${called(terms)}: without one, nothing is permitted`, 'license');
  }
  for (const text of terms.doubts) doubt(text, 'license');
  for (const row of own) judgeRow(row, use, policy, notes);
  if (contradicts(terms)) {
    const said = terms.declared.map(({ id, by }) => `${by} declares ${id}`).join(', ');
    notes.findings.push(open(`${said}: a conflict never allows`, 'license', conflict));
  }
  if (terms.gated) {
    notes.findings.push(open(`the owner grants access to ${who} person by person, on terms of its own`, 'gated'));
  }
  judgeParents(terms, own, who, use, policy, notes);
  judgeDatasets(terms, use, policy, notes);
}

function called({ name, link }: ModelTerms): string {
  return name === null && link === null ? '' : ` (${[name, link].filter((part) => part !== null).join(', ')})`;
}

/** Different voices, different licences. */
function contradicts({ declared }: ModelTerms): boolean {
  if (declared.length < 2) return false;
  const voices = new Map<string, Set<unknown>>();
  for (const { id, by } of declared) {
    const said = voices.get(by) ?? new Set();
    voices.set(by, said.add(findLicence(id) ?? id.toLowerCase()));
  }
  const [first = new Set(), ...others] = voices.values();
  return others.some((said) => said.size !== first.size || [...said].some((one) => !first.has(one)));
}

function judgeParents(
  { parents, relation }: ModelTerms,
  own: ReadonlySet<Row>,
  who: string,
  use: UseFacts,
  policy: CompiledPolicy,
  notes: Notes,
): void {
  const { unknownLicence, conflict } = policy.defaults;
  const needed = relation === 'merge' ? 2 : relation === null ? 0 : 1;
  if (parents.length < needed) {
    notes.unknown = true;
    const text = `${who} is declared as ${relation}, and names ${parents.length} of at least ${needed} models that it was made from`;
    notes.findings.push(open(text, 'base_model', unknownLicence, 'find out what it was made from'));
  }
  for (const { model, terms } of parents) {
    if (terms === null) {
      notes.unknown = true;
      const text = `the terms of '${model}', which ${who} was made from, are not known: they apply as well`;
      notes.findings.push(open(text, 'base_model', unknownLicence, `find out the licence of '${model}'`));
      continue;
    }
    judgeModel(terms, `'${model}'`, use, policy, notes);
    for (const { id } of terms.declared) {
      const row = findLicence(id);
      if (row === undefined || row.restrictions === 0 || own.has(row)) continue;
      const text = `${who} is declared without the restrictions of ${row.name}, under which '${model}' stands, which it was made from`;
      notes.findings.push(open(text, 'base_model', conflict));
    }
  }
}

/** Whether a model derives from its data is not settled: a dataset's licence asks for a person, and decides nothing alone. */
function judgeDatasets({ datasets }: ModelTerms, use: UseFacts, policy: CompiledPolicy, notes: Notes): void {
  for (const { name, licence } of datasets) {
    if (licence === null) continue;
    const row = findLicence(licence);
    const restricted = row?.terms.some(({ term }) => {
      const touches = term.ask === 'forbidden' || term.ask === 'promise' || term.ask === 'judgement';
      return touches && TRIGGERS[term.when](use) !== false;
    });
    if (restricted === false) continue;
    const text = `the data '${name}' are under ${row?.name ?? `'${licence}'`}: whether that binds a model trained on them is not settled`;
    notes.findings.push(open(text, 'datasets', policy.defaults.datasetNonCommercial));
  }
}

function judgeRow(row: Row, use: UseFacts, policy: CompiledPolicy, notes: Notes): void {
  if (notes.rows.has(row)) return;
  notes.rows.add(row);
  const unlisted = policy.unlisted(row);
  if (unlisted !== null) notes.findings.push(unlisted);
  for (const { term, findings, obligations } of row.terms) {
    const applies = TRIGGERS[term.when](use);
    if (applies === false) continue;
    const given = answer(term, use);
    if (obligations !== null) notes.obligations.push(obligations[given === 'met' ? 1 : 0]);
    if (given === 'met' || given === 'duty') continue;
    // What may not even apply is undecided, however badly it would end.
    notes.findings.push(findings[applies === undefined ? 'missing' : given]);
  }
}

const RULE = 'Espalier: sensitive domains';
const NO_DOMAIN: Finding = {
  verdict: 'review',
  text: 'the domain is not stated: it may be a sensitive one',
  clause: 'intendedUse.domain',
  source: RULE,
  fix: 'state intendedUse.domain',
};

/** What is to be said of a domain, whatever the licence; undefined: nothing. */
export function domainFinding({ domain, validationStudy }: UseFacts): Finding | undefined {
  if (domain === undefined) return NO_DOMAIN;
  if (validationStudy !== undefined) return undefined;
  const { known, sensitive } = classifyDomain(domain);
  if (sensitive) {
    return {
      verdict: 'deny',
      text: `'${domain}' is a sensitive domain: a model may not be used there without a study that validates it`,
      clause: 'intendedUse.validationStudy',
      source: RULE,
      fix: 'name the study that shows the model fit for it: intendedUse.validationStudy',
    };
  }
  if (known) return undefined;
  return {
    verdict: 'review',
    text: `'${domain}' is no domain known here: it may be a sensitive one`,
    clause: 'intendedUse.domain',
    source: RULE,
    fix: 'have a person judge the domain, or say it in other words',
  };
}

const MEGABYTE = 1e6;

/** From file sizes alone: what does not even fit as bytes needs no measurement. */
function judgeSize({ use: { hardware }, sizeBytes }: Case, { findings }: Notes): void {
  if (hardware === undefined) return;
  const rooms = [
    ['storage', hardware.storageMb],
    ['RAM', hardware.ramMb],
    ['accelerator memory', hardware.accelerator?.memoryMb],
  ] as const;
  for (const [room, megabytes] of rooms) {
    if (megabytes === undefined) continue;
    const found = { clause: 'intendedUse.hardware', source: 'the sizes of the files' };
    if (sizeBytes === null || sizeBytes === undefined) {
      findings.push({
        ...found,
        verdict: 'review',
        text: `whether it fits ${megabytes} MB of ${room} is not known`,
        fix: 'measure it on the device',
      });
    } else if (sizeBytes > megabytes * MEGABYTE) {
      const size = Math.ceil(sizeBytes / MEGABYTE);
      findings.push({
        ...found,
        verdict: 'deny',
        text: `its files of ${size} MB do not fit ${megabytes} MB of ${room}`,
        fix: 'choose a smaller model or a larger device',
      });
    }
  }
}

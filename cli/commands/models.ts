import { dutyLine } from '../../artifacts/bundle-terms.ts';
import { evaluatedModel } from '../../artifacts/release.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { verifySignedFolder } from '../../artifacts/model-signature.ts';
import { voterText } from '../../artifacts/votes.ts';
import { shortDigest } from '../../artifacts/reference.ts';
import { readTrustedKeys } from '../../artifacts/signing-keys.ts';
import { winnerOf } from '../../pipelines/winner.ts';
import { listModels, showModel, type ModelSummary } from '../../client/models.ts';
import { createContext } from '../context.ts';
import { EXIT, printJson, printTable, say, style } from '../output.ts';
import { withContext } from './runs.ts';

export async function list(json: boolean): Promise<number> {
  return withContext(async (context) => {
    const { store, pointers } = await context.store();
    const models = await listModels(store, pointers);
    if (json) printJson(models);
    else if (models.length === 0) say('no model is deployed yet');
    else {
      printTable(
        ['MODEL', 'CHANNEL', 'REVISION', 'BUNDLE', 'SINCE (UTC)', 'DRIFT', 'TERMS', 'APPROVED'],
        models.map((one) => [
          one.model,
          one.channel,
          String(one.revision),
          shortDigest(one.bundle.digest),
          one.updatedAt.slice(0, 16).replace('T', ' '),
          drift(one),
          one.reviewReopened === null ? (one.termsCheck?.verdict ?? 'not checked yet') : 'review reopened',
          approved(one),
        ]),
      );
    }
    return EXIT.ok;
  });
}

export async function show(json: boolean, model: string, options: { channel: string }): Promise<number> {
  return withContext(async (context) => {
    const { store, pointers } = await context.store();
    const detail = await showModel(store, pointers, model, options.channel);
    if (json) {
      printJson(detail);
      return EXIT.ok;
    }
    const { facts, releaseRecord } = detail;
    const winner = winnerOf(facts);
    const { evaluation, generation, retrieval, exported } = facts;
    const adherence = generation?.evaluation?.measures['adherence'];
    const [measure, measured] =
      retrieval !== undefined
        ? ([`recall@${retrieval.k}`, retrieval.measures.recallAtK] as const)
        : generation === undefined
          ? (['accuracy', evaluation?.measures.accuracy] as const)
          : (['adherence', adherence] as const);
    const road = exported !== undefined && 'road' in exported ? exported.road : undefined;
    const rows: [string, string][] = [
      ['bundle', detail.bundle.digest],
      ['channel', `${detail.channel}, revision ${detail.revision}, since ${detail.updatedAt}`],
      ['run', releaseRecord.runId],
      [
        measure,
        measured?.value == null ? 'not measured' : `${measured.value.toFixed(3)} on ${measured.rows} test rows`,
      ],
      ...releaseRecord.approvals.map((one): [string, string] => [
        one.voided === undefined ? `${one.decision}: ${one.approval}` : `void: ${one.approval}`,
        `${voterText(one)} at ${one.at}, on ${shortDigest(one.evidenceDigest)}${one.comment === '' ? '' : `: ${one.comment}`}`,
      ]),
      ...(detail.brokenGlass ?? []).map((one): [string, string] => [
        style.red('GLASS BROKEN'),
        `${one.approver} approved the ${one.approval} alone: ${one.comment.replaceAll(/\s+/g, ' ')}`,
      ]),
      ['drift', drift(detail)],
      ['terms', detail.reviewReopened ?? terms(detail)],
      ['definition', facts.definition.digest],
      ['data', `${facts.data?.dataset.digest ?? '?'} (${facts.pipeline.data.licence})`],
      ['base model', `${winner?.resolved?.source ?? '?'} (${winner?.resolved?.licence.declared ?? 'no licence'})`],
      ['base weights', (winner?.exported?.weights ?? winner?.imported?.model)?.digest ?? '?'],
      [
        'tuned model',
        road === 'prompted'
          ? 'none: prompted, its weights are as they came'
          : facts.pipeline.training === null
            ? 'none: its weights are as they came'
            : (facts.training?.model.digest ?? '?'),
      ],
      ['exported', exported === undefined ? '?' : evaluatedModel({ exported }).digest],
      ...(exported !== undefined && 'embedder' in exported
        ? [['index', `${exported.index.digest}, ${exported.rows} pictures`] satisfies [string, string]]
        : []),
      ...(detail.terms?.builtWith ?? []).map((words): [string, string] => ['to be shown', words]),
      ...(detail.terms?.restrictions ?? []).map((text): [string, string] => ['use restriction', text]),
      ...(detail.terms?.duties ?? []).map((duty): [string, string] => [
        duty.state === 'done' ? 'duty: done' : 'duty: for you',
        dutyLine(duty),
      ]),
    ];
    process.stdout.write(`${style.bold(detail.model)}\n`);
    for (const [name, value] of rows) process.stdout.write(`  ${name.padEnd(18)}${value}\n`);
    return EXIT.ok;
  });
}

export async function exportBundle(
  json: boolean,
  model: string,
  folder: string,
  options: { channel: string },
): Promise<number> {
  return withContext(async (context) => {
    const { store, pointers } = await context.store();
    const trusted = readTrustedKeys(context.env);
    const { signed } = (await showModel(store, pointers, model, options.channel)).releaseRecord;
    if (signed === undefined) {
      throw new EspalierError('NotFound', `the release of '${model}' is not signed`, {
        fix: 'deploy it again: releases are signed when they are deployed',
      });
    }
    await store.checkout(signed, folder);
    await verifySignedFolder(folder, trusted);
    if (json) printJson({ folder, signed: signed.digest });
    else say(`${folder} holds ${model} with its signature`);
    return EXIT.ok;
  });
}

export async function verify(json: boolean, folder: string): Promise<number> {
  const { env } = createContext();
  const { files, keyId } = await verifySignedFolder(folder, readTrustedKeys(env));
  if (json) printJson({ folder, keyId, files: Object.fromEntries(files) });
  else say(`${folder}: ${files.size} files as key ${keyId.slice(0, 12)} signed them, and no other`);
  return EXIT.ok;
}

/** A release that somebody approved alone looks like no other. */
function approved({ brokenGlass }: ModelSummary): string {
  if (brokenGlass === null) return 'not readable';
  if (brokenGlass.length === 0) return 'by its seats';
  return style.red(`GLASS BROKEN by ${[...new Set(brokenGlass.map(({ approver }) => approver))].join(', ')}`);
}

function terms({ termsCheck }: ModelSummary): string {
  if (termsCheck === null) return 'not checked yet';
  const { verdict, checkedAt, source } = termsCheck;
  const now = verdict === 'same' ? 'the decision stands' : verdict;
  return `${now}, checked at ${checkedAt.slice(0, 16)}; source ${source}`;
}

function drift({ drift: report, bundle }: ModelSummary): string {
  if (report === null) return 'not checked yet';
  const stale = report.bundle === bundle.digest ? '' : ' (of an earlier bundle)';
  const alarms = report.tests.filter(({ alarm }) => alarm).map(({ name }) => name);
  const detail = alarms.length > 0 ? ` by ${alarms.join(', ')}` : '';
  return `${report.verdict}${detail}, ${report.rows} rows at ${report.checkedAt.slice(0, 16)}${stale}`;
}

import assert from 'node:assert/strict';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { TrainingHistory } from '../../activities/contract/training.ts';
import { dossierMarkdown } from '../../activities/privacy/dossier/markdown.ts';
import { runDossier } from '../../activities/privacy/dossier/dossier.ts';
import type { ReportMaterial } from '../../activities/report/material.ts';
import { frame } from '../../activities/report/page.ts';
import { renderReport, SECTIONS } from '../../activities/report/render.ts';
import { headline } from '../../activities/report/sections/run.ts';
import { figuresOf, linesOf, piecesOf, trace, type Part, type TracedFigure } from '../support/trace.ts';
import { reportCases } from '../support/report-cases.ts';
import { isRecomputed, isFurniture } from '../support/report-furniture.ts';
import { sampleFacts } from '../support/facts.ts';

/** What the page is made of: facts.json, evidence.json, and the curves that the facts name by digest. */
interface Artifacts {
  readonly facts: RunFacts;
  readonly evidence: Omit<ReportMaterial, 'history'>;
  readonly history: TrainingHistory | null;
}

const inputOf = ({ facts, evidence, history }: Artifacts) => ({ kind: 'final' as const, facts, history, ...evidence });
const PARTS: readonly Part<Artifacts>[] = [
  (artifacts) => piecesOf(headline(inputOf(artifacts)).markup),
  ...SECTIONS.map((section) => (artifacts: Artifacts) => {
    const body = section.body(inputOf(artifacts));
    return body === null ? [] : piecesOf(frame(section, body).markup);
  }),
];

const withoutSource = (figures: readonly TracedFigure[]): readonly string[] =>
  figures.flatMap(({ piece, text, from }) =>
    from === null ? [`${text} in "${piece.text}" (${piece.section}: ${piece.heading})`] : [],
  );

describe('where the numbers of a report come from', () => {
  for (const [name, { facts, material }] of Object.entries(reportCases())) {
    const { history, ...evidence } = material;
    const artifacts: Artifacts = { facts, evidence, history };

    it(`is an artifact, for every number of the report on ${name}`, () => {
      const figures = trace(PARTS, artifacts, (figure) => isFurniture(figure) || isRecomputed(figure, artifacts));
      assert.ok(figures.length > 400, `the page has ${figures.length} figures`);
      assert.deepEqual(withoutSource(figures), []);
    });

    it(`is asked of the whole page: no number stands outside its parts (${name})`, () => {
      assert.deepEqual(
        figuresOf(piecesOf(renderReport(inputOf(artifacts)))).map(({ text }) => text),
        figuresOf(PARTS.flatMap((part) => part(artifacts))).map(({ text }) => text),
      );
    });
  }

  it('is evidence.json for what all rows should bring and cost', () => {
    const { facts, material } = reportCases()['a run with prototypes and prices']!;
    const { history, ...evidence } = material;
    const figures = trace(PARTS, { facts, evidence, history }, ({ piece }) => piece.section !== 'prototypes');
    const from = (words: RegExp): readonly (string | null)[] =>
      figures.flatMap((figure) => (words.test(figure.piece.text) ? [figure.from] : []));
    assert.deepEqual(from(/^about 3 min 25 s, 0\.2\d EUR$/), [
      'evidence.worth.trainings.b.seconds',
      'evidence.worth.trainings.b.seconds',
      'evidence.worth.trainings.b.money',
    ]);
    assert.deepEqual(from(/where a point is worth more than/), [
      'evidence.worth.gain.fromRows',
      'facts.prototyped.fullRows',
      'evidence.worth.gain.value',
      'evidence.worth.gain.low',
      'evidence.worth.gain.high',
      'evidence.worth.gain.aPoint.money',
    ]);
  });

  it('is the facts, for every number of DOSSIER.md', () => {
    const part: Part<Pick<Artifacts, 'facts'>> = ({ facts }) =>
      linesOf('DOSSIER.md', dossierMarkdown(runDossier(facts, null), facts.pipeline.deploy.model));
    const artifacts = { facts: sampleFacts };
    const figures = trace([part], artifacts, (figure) => isFurniture(figure) || isRecomputed(figure, artifacts));
    assert.ok(figures.length > 50, `the dossier has ${figures.length} figures`);
    assert.deepEqual(withoutSource(figures), []);
  });

  it('is nowhere for a number that a page reckons or makes up', () => {
    const page: Part<{ readonly won: number; readonly lost: number; readonly share: number }> = ({
      won,
      lost,
      share,
    }) => piecesOf(`<p>${won} won</p><p>${won + lost} in all</p><p>${(share * 100).toFixed(1)} %</p><p>of 17 rows</p>`);
    assert.deepEqual(
      trace([page], { won: 12, lost: 5, share: 0.1234 }).map(({ text, from }) => [text, from]),
      [
        ['12', 'won'],
        ['17', null],
        ['12.3', 'share'],
        ['17', null],
      ],
    );
  });
});

import { deepEqual, equal, ok } from 'node:assert/strict';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { readExamples, shownExamples } from '../../activities/report/gate-examples.ts';
import { renderReport } from '../../activities/report/render.ts';
import { refOf, sampleFacts, sampleMaterial } from '../support/facts.ts';
import { withStore } from '../support/store.ts';

const { evaluation, gates } = sampleFacts;
ok(evaluation !== undefined && gates !== undefined);
const at = { artifact: refOf('evaluation.json').digest, path: 'examples.accuracy', ids: ['row-7'] };
const facts: RunFacts = {
  ...sampleFacts,
  gates: { ...gates, gates: gates.gates.map((gate) => (gate.name === 'accuracy' ? { ...gate, examples: at } : gate)) },
};

describe('the examples of gates on a report', () => {
  const note = 'late, predicted as lost (91 %)';
  const gateExamples = { accuracy: [{ id: 'row-7', note, text: 'where is <b>it' }], flipRate: [] };
  const page = renderReport({ kind: 'final', facts, ...sampleMaterial(facts), gateExamples });

  it('are a link away from the gate, with what came of them, as text', () => {
    ok(page.includes('<a href="#examples-accuracy">see 1</a>'));
    const shown = page.slice(page.indexOf('<div id="examples-accuracy">'));
    ok(shown.includes('row-7') && shown.includes(note) && shown.includes('where is &lt;b&gt;it'));
  });

  it('lead to a place on the page, as every link inside it does', () => {
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    const links = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
    ok(links.length > 5);
    deepEqual(
      links.filter((id) => !ids.has(id)),
      [],
    );
  });

  it('are told to be none where no row is one, and why of a gate that has no rows', () => {
    const row = (title: string) => page.slice(page.indexOf(`<th scope="row" >${title}</th>`)).split('</tr>')[0];
    ok(row('Labels flipped by harmless edits')?.includes('no row was kept'));
    ok(row('Size')?.includes('a size of files'));
  });

  it('hold no personal value, not even where an edit hides it from the scanner', async () => {
    const mistyped = 'write to jane.doe at example.org';
    const { noiseFlips, accuracy } = await shownExamples({
      noiseFlips: [
        { id: 'a', note: 'typo', text: mistyped, unedited: 'write to jane.doe@example.org' },
        { id: 'b', note: 'typo', text: 'whree is it', unedited: 'where is it' },
      ],
      accuracy: [
        { id: 'c', note: 'wrong', text: `${'x '.repeat(200)}jane.doe@example.org` },
        { id: 'd', note: 'wrong' },
      ],
    });
    equal(JSON.stringify([noiseFlips, accuracy]).includes('jane'), false);
    ok(/<EMAIL_1>/.test(noiseFlips?.[0]?.text ?? ''));
    equal(noiseFlips?.[1]?.text, 'whree is it');
    ok((accuracy?.[0]?.text ?? '').length < 300 && accuracy?.[1]?.text === null);
  });

  it('show what they are there for, however long the text: the answer below its prompt, and the place of an edit', async () => {
    const long = 'so many words '.repeat(40);
    const { adherence, identityFlips, flipRate } = await shownExamples({
      adherence: [{ id: 'a', note: 'breaks tone', text: `${long}\n→ You idiot.` }],
      identityFlips: [{ id: 'b', note: 'after', text: `${long} I am a woman.`, unedited: `${long} I am a person.` }],
      flipRate: [{ id: 'c', note: 'case', text: `WHERE ${long}`, unedited: `where ${long}` }],
    });
    ok(/^so many words .*…\n→ You idiot\.$/s.test(adherence?.[0]?.text ?? ''), adherence?.[0]?.text ?? '');
    ok(/^….*so many words .* I am a woman\.$/.test(identityFlips?.[0]?.text ?? ''), identityFlips?.[0]?.text ?? '');
    ok((identityFlips?.[0]?.text ?? '').length < 120);
    ok(/^WHERE so many .*…$/.test(flipRate?.[0]?.text ?? ''), flipRate?.[0]?.text ?? '');
  });

  it('are read from the evaluation, and of attacks from what became of each picture', async () => {
    const { store } = await withStore();
    const kept = { accuracy: [{ id: 'row-7', note, text: 'where is it' }] };
    const details = await store.putJson({ examples: kept }, 'evaluation.json');
    const lines = [
      { rowId: 'a.png', label: 'cat', clean: 'cat', fgsm: 'cat', pgd: 'dog', gradient: true },
      { rowId: 'b.png', label: 'cat', clean: 'cat', fgsm: 'cat', pgd: 'cat', gradient: false },
    ];
    const attacked = await store.putBytes(lines.map((line) => `${JSON.stringify(line)}\n`).join(''), {
      name: 'attacked.jsonl',
      mediaType: 'application/jsonl',
    });
    const squares = await store.putBytes(
      `${JSON.stringify({ rowId: 'a.png', right: true, lost: true, queries: 4 })}\n`,
      {
        name: 'attacked.jsonl',
        mediaType: 'application/jsonl',
      },
    );
    const measured = { accuracy: { value: 1, interval: null, rows: 2 }, withoutGradient: 0, queriesToLose: 4 } as const;
    const attack = { epsilonLevels: 2, steps: 10, stepLevels: 0.5, pictures: 2, queries: 10 };
    const none = { value: null, interval: null, rows: 0 };
    const shown = await readExamples(
      {
        ...facts,
        evaluation: { ...evaluation, details, examples: { accuracy: ['row-7'] } },
        attack: {
          ...measured,
          attack,
          measures: { fgsmRobustness: none, pgdRobustness: none },
          examples: { fgsmRobustness: [], pgdRobustness: ['a.png', 'b.png'] },
          details: attacked,
        },
        squareAttack: {
          ...measured,
          attack,
          measures: { squareRobustness: none },
          examples: { squareRobustness: ['a.png'] },
          details: squares,
        },
      },
      store,
    );
    deepEqual(shown?.['accuracy'], [{ id: 'row-7', note, text: 'where is it' }]);
    deepEqual(shown?.['pgdRobustness'], [
      { id: 'a.png', note: 'cat, under the attack dog', text: null },
      { id: 'b.png', note: 'cat, no pixel changes its loss', text: null },
    ]);
    deepEqual(shown?.['squareRobustness'], [{ id: 'a.png', note: 'lost after 4 questions', text: null }]);
    equal(await readExamples(sampleFacts, store), undefined);
  });
});

import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { checkDecisionLink, checkedLinkKey, decisionUrl, type DecisionLink } from '../../client/decision-links.ts';
import { digestOf } from '../support/facts.ts';

const key = 'k'.repeat(32);
const expires = 2_000_000_000;
const before = new Date(expires * 1000 - 1);

describe('a signed link', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
  const anyLink: fc.Arbitrary<DecisionLink> = fc.record(
    {
      // A URL takes these two for folders; the signature then opens nothing.
      runId: text.filter((one) => one !== '.' && one !== '..'),
      approval: fc.constantFrom('review' as const, 'release' as const),
      approver: text,
      evidence: text.map(digestOf),
      expires: fc.constant(expires),
    },
    { noNullPrototype: true },
  );

  it('comes back from its URL as it was made, whatever its names hold', () => {
    fc.assert(
      fc.property(anyLink, (link) => {
        const url = new URL(decisionUrl('https://console.example', link, key));
        const [, decide, runId = '', approval] = url.pathname.split('/');
        assert.deepEqual([url.origin, decide], ['https://console.example', 'decide']);
        const { approver, evidence, expires: until, signature } = Object.fromEntries(url.searchParams);
        const read = { runId: decodeURIComponent(runId), approval, approver, evidence, expires: Number(until) };
        assert.deepEqual(read, link);
        checkDecisionLink(read, signature ?? '', key, before);
      }),
    );
  });

  it('has another signature when any part is another, also where parts only move over', () => {
    const signature = (link: DecisionLink): string =>
      new URL(decisionUrl('https://console.example', link, key)).searchParams.get('signature') ?? '';
    fc.assert(
      fc.property(anyLink, anyLink, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        assert.equal(signature(one) === signature(other), same);
      }),
    );
    const link: DecisionLink = { runId: 'a', approval: 'review', approver: 'b', evidence: digestOf('x'), expires };
    assert.notEqual(signature({ ...link, runId: 'a","review' }), signature(link));
    assert.throws(
      () => checkDecisionLink(link, signature(link), key, new Date(expires * 1000)),
      /expired at 2033-05-18/,
    );
  });

  it('is signed with no key that can be guessed', () => {
    assert.throws(() => checkedLinkKey('short'), /has 5 characters/);
    assert.equal(checkedLinkKey(key), key);
  });
});

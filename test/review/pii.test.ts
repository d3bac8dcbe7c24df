import { deepEqual, equal, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import { findPersonalData, isCard, isIban, luhn } from '../../activities/review/pii.ts';

const found = (text: string): string[] =>
  findPersonalData(text).map(({ kind, start, end }) => `${kind}:${text.slice(start, end)}`);

describe('personal data scanner', () => {
  const texts: readonly [string, readonly string[]][] = [
    ['write to jo.doe+x@mail.example.co.uk, please', ['email:jo.doe+x@mail.example.co.uk']],
    ['<a@b.io>; (c@d.org).', ['email:a@b.io', 'email:c@d.org']],
    ['jörg@bücher.example', ['email:jörg@bücher.example']],
    ['not @mentions, a@b, a@.com, @x.com or a@b..com', []],
    ['user@host.1', []],
    ['card 4111 1111 1111 1111 123', ['card:4111 1111 1111 1111']],
    ['5500-0000-0000-0004, 378282246310005', ['card:5500-0000-0000-0004', 'card:378282246310005']],
    ['4111 1111 1111 1112', []],
    ['order A4111111111111111 and 4111111111111111x', []],
    ['0000 0000 0000 0000', []],
    ['IBAN DE89 3704 0044 0532 0130 00.', ['iban:DE89 3704 0044 0532 0130 00']],
    ['gb82west12345698765432', ['iban:gb82west12345698765432']],
    ['GB82 WEST 1234 5698 7654 33', []],
    ['call +49 (0)30 1234-567 now', ['phone:+49 (0)30 1234-567']],
    [
      '(555) 234-5678 or 555-234-5678 or 1.555.234.5678',
      ['phone:555) 234-5678', 'phone:555-234-5678', 'phone:1.555.234.5678'],
    ],
    [
      '07911 123456, 01 23 45 67 89, 0044 7911 123456',
      ['phone:07911 123456', 'phone:01 23 45 67 89', 'phone:0044 7911 123456'],
    ],
    ['+14155550123', ['phone:+14155550123']],
    ['order 5552345678, 2024-01-02 10:30, 192.168.100.200, 1,234,567.89, v1.2.3', []],
    ['I was charged 100 200 3000 times', []],
    ['', []],
  ];
  for (const [text, expected] of texts) {
    it(`finds ${expected.length} in ${JSON.stringify(text)}`, () => deepEqual(found(text), expected));
  }

  it('knows published test numbers', () => {
    // Luhn's own example, and the numbers that the card schemes publish for tests.
    ok(luhn('79927398713') && !luhn('79927398710') && !luhn(''));
    for (const card of [
      '4111111111111111',
      '4012888888881881',
      '5555555555554444',
      '378282246310005',
      '6011111111111117',
      '3530111333300000',
      '30569309025904',
    ])
      ok(isCard(card), card);
    // Examples of the IBAN registry.
    for (const iban of [
      'GB29NWBK60161331926819',
      'FR1420041010050500013M02606',
      'CH9300762011623852957',
      'NO9386011117947',
      'MT84MALT011000012345MTLCAST001S',
    ])
      ok(isIban(iban), iban);
  });

  it('sees every single wrong digit and every swap of neighbours in an IBAN, and every wrong digit in a card', () => {
    const replaced = (text: string, at: number, by: string): string => text.slice(0, at) + by + text.slice(at + 1);
    for (let at = 2; at < 22; at += 1) {
      for (const digit of '0123456789') {
        const iban = replaced('DE89370400440532013000', at, digit);
        equal(isIban(iban), iban === 'DE89370400440532013000', iban);
        const card = replaced('4111111111111111', at % 16, digit);
        equal(luhn(card), card === '4111111111111111', card);
      }
    }
  });

  const digit = fc.integer({ min: 0, max: 9 }).map(String);
  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 6 }),
    fc.constantFrom(
      'a@b.com',
      'jo.doe@mail.example',
      '4111 1111 1111 1111',
      'DE89370400440532013000',
      '+49 30 1234567',
      '(555) 234-5678',
      '@',
      '+',
      ' ',
      '.',
      '-',
      'DE',
    ),
    fc.string({ unit: digit, maxLength: 20 }),
  );

  it('never throws, finds no two overlapping, and shows no value', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
        (text) => {
          let last = 0;
          for (const { start, end, redacted } of findPersonalData(text)) {
            ok(start >= last && end > start && end <= text.length);
            last = end;
            const value = text.slice(start, end);
            ok(!redacted.includes(value));
            // Not even a run of four characters of it, spelled out.
            for (let at = 0; at + 4 <= value.length; at += 1)
              ok(!redacted.includes(value.slice(at, at + 4)), `${value} ${redacted}`);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('finds a planted value in any surroundings of words', () => {
    const words = fc
      .array(fc.constantFrom('my', 'card', 'was', 'eaten,', 'why?', 'ß', '😀'), { minLength: 1, maxLength: 6 })
      .map((list) => list.join(' '));
    const planted = fc.constantFrom(
      'email:a.b@c.org',
      'card:4012 8888 8888 1881',
      'iban:GB29 NWBK 6016 1331 9268 19',
      'phone:+44 20 7946 0958',
    );
    fc.assert(
      fc.property(words, planted, words, (before, value, after) => {
        deepEqual(found(`${before} ${value.slice(value.indexOf(':') + 1)} ${after}`), [value]);
      }),
    );
  });

  it('reads a megabyte of anything in under a second', () => {
    const units = [
      '@',
      'a',
      'a@',
      'a.',
      'a@a.',
      '1',
      '1 ',
      '1-',
      '+1',
      '(((1',
      '4111 1111 1111 1111 ',
      'DE89 ',
      'DE8 ',
      'D',
      '1.2.',
      '4 ',
      '0 ',
      '2345 ',
      '+1 2 ',
      '.@.',
      'a@b.co ',
      '0 1 2 3 ',
      '-',
      ' ',
    ];
    for (const unit of units) {
      const text = unit.repeat(Math.ceil(1_000_000 / unit.length));
      // CPU time: the wall clock would also measure whatever else the machine does.
      const from = process.cpuUsage();
      findPersonalData(text);
      const took = process.cpuUsage(from).user / 1000;
      ok(took < 1000, `${JSON.stringify(unit)} took ${Math.round(took)} ms`);
    }
  });
});

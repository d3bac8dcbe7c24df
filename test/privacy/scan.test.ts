import { deepEqual, ok } from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { findPersonalData, maskPersonalData } from '../../activities/privacy/scan.ts';
import { PII_KINDS } from '../../pipelines/definition/data.ts';

const found = (text: string): string[] =>
  findPersonalData(text).map(({ kind, start, end }) => `${kind}:${text.slice(start, end)}`);

/** A signature part that nobody issued. */
const WEB_TOKEN = ['{"alg":"HS256","typ":"JWT"}', '{"sub":"nobody","iat":1}', 'a signature of nobody 123']
  .map((part) => Buffer.from(part).toString('base64url'))
  .join('.');
const RANDOM = 'q7Zt9Xw2Lk4Vb8Nc1Rm5';
const KEY_BLOCK = `-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI${RANDOM}\n-----END EC PRIVATE KEY-----`;

describe('personal data scanner', () => {
  /** Everything between ‹ and › is to be found, as the kind that comes first; nothing else is. */
  const texts: readonly (readonly [kind: string, text: string])[] = [
    ['email', 'write to ‹jo.doe+x@mail.example.co.uk›, please'],
    ['email', '<‹a@b.io›>; (‹c@d.org›). ‹jörg@bücher.example›'],
    ['email', '‹jo.5552345678@x.example› is one address'],
    ['email', 'not @mentions, a@b, a@.com, @x.com, user@host.1 or a@b..com'],
    ['card', 'card ‹4111 1111 1111 1111› 123'],
    ['card', '‹5500-0000-0000-0004›, ‹378282246310005›'],
    ['card', 'card:‹4111111111111111›'],
    ['card', '4111 1111 1111 1112, 0000 0000 0000 0000, order A4111111111111111 and 4111111111111111x'],
    ['iban', 'IBAN ‹DE89 3704 0044 0532 0130 00›.'],
    ['iban', '‹gb82west12345698765432›, iban:‹GB82-WEST-1234-5698-7654-32›'],
    ['iban', 'GB82 WEST 1234 5698 7654 33, NO93 8601 1117 948, XDE89370400440532013000'],
    ['phone', 'call ‹+49 (0)30 1234-567› now, or ‹+14155550123›'],
    ['phone', '‹(555) 234-5678› or ‹555-234-5678› or ‹1.555.234.5678›'],
    ['phone', '‹07911 123456›, ‹01 23 45 67 89›, ‹0044 7911 123456›'],
    ['phone', 'tel: ‹555 0199›, mobile is ‹612 345 678›, phone number: ‹2025550123›'],
    [
      'phone',
      'order 5552345678, 2024-01-02 10:30, 1,234,567.89, v1.2.3, 612 345 678 rows, 01.02.2003 10:30, 0.123456789',
    ],
    ['phone', 'I was charged 100 200 3000 times, call about order 20231234'],
    ['nationalId', 'SSN ‹123-45-6789›, ‹123 45 6789›, my social security number is ‹123456789›'],
    [
      'nationalId',
      '000-45-6789, 666-45-6789, 900-45-6789, 123-00-6789, 123-45-0000, 078-05-1120, 123-45 6789, 123456789',
    ],
    ['nationalId', 'DNI ‹12345678Z›, ‹12345678-z›, NIE ‹X1234567L›, ‹Y-0123456-Y›'],
    ['nationalId', '12345678A, X1234567A, 1234567Z'],
    ['nationalId', 'NIR ‹1 84 12 76 451 089 46›, ‹184127645108946›, ‹1 85 05 2A 006 084 35›'],
    ['nationalId', '1 84 12 76 451 089 47, 184157645108946'],
    ['nationalId', 'Steuer-ID ‹86095742719›, also ‹86 095 742 719›'],
    ['nationalId', 'Steuer-ID 86095742718; a bare one is an order number: 86095742719, 86 095 742 710'],
    ['nationalId', 'codice fiscale ‹RSSMRA85T10A562S›, ‹rssmra85t10a562s›'],
    ['nationalId', 'RSSMRA85T10A562T, RSSMRA85X10A562S'],
    ['nationalId', '‹AB123456C›, ‹AB 12 34 56 C›'],
    ['nationalId', 'BG123456C, AB123456E, DA123456C, AB12345C, XAB 12 34 56 C'],
    ['nationalId', 'NHS number ‹943 476 5919›, nhs: ‹9434765919›'],
    ['nationalId', 'NHS 9434765918; a bare one is an order number: 9434765919'],
    ['nationalId', '‹2345 6789 0124›, Aadhaar ‹234567890124›'],
    ['nationalId', '2345 6789 0125, 234567890124, 1345 6789 0124'],
    ['nationalId', '‹529.982.247-25›, CPF ‹52998224725›'],
    ['nationalId', '529.982.247-26, 111.111.111-11, 52998224725'],
    ['nationalId', '‹11010519491231002X›, ‹811228-9874›, PESEL ‹44051401359›, BSN ‹111222333›'],
    ['nationalId', '110105194912310021, 811228-9873, 811328-9874, PESEL 44051401358, BSN 111222334, 44051401359'],
    ['ipAddress', 'from ‹203.0.113.7› and ‹2001:db8::1›, [‹fe80::1ff:fe23:4567:890a›], ‹2001:DB8:0:0:8:800:200C:417A›'],
    [
      'ipAddress',
      '127.0.0.1, 1.2.3.4, 256.1.1.300, 1.20.3.4.5, version 10.2.3.4, 10:30:45, 12:30, ::1, a1::b2, std::vec',
    ],
    ['macAddress', '‹00:1b:63:84:45:e6›, ‹DE-AD-BE-EF-00-01›, ‹001b.6384.45e6›'],
    [
      'macAddress',
      '00:00:00:00:00:00, ff:ff:ff:ff:ff:ff, 12-34-56-78-90-12, 00:1b:63:84:45, 550e8400-e29b-41d4-a716-446655440000',
    ],
    ['secret', `‹AKIAIOSFODNN7NOTREAL› and ‹ghp_${'a1B2'.repeat(9)}›, ‹xoxb-1234567890-${RANDOM}›`],
    ['secret', `‹${WEB_TOKEN}›, Bearer ‹${WEB_TOKEN}›`],
    ['secret', KEY_BLOCK.replace(/^/, '‹').replace(/$/, '›')],
    ['secret', `password=‹${RANDOM}›; "api_key": "‹${RANDOM}+/==›", Authorization: Bearer ‹${RANDOM}›`],
    [
      'secret',
      `AKIASHORT1, ghp_short1, skill-sets, sk-learn, token: aaaaaaaa11111111, password: correcthorsebatterystaple, id=${RANDOM}`,
    ],
    ['secret', `eyJhbGciOiJIUzI1NiJ9, eyJub3RoaW5nIg12345.eyJub3RoaW5nIg.c2lnbmF0dXJl`],
    ['birthDate', 'born on ‹1980-02-29›, DOB: ‹12/31/1980›, geboren am ‹31.12.1980›, née le ‹1 mars 1980›'],
    ['birthDate', 'date of birth ‹March 12, 1980›, D.O.B. ‹12th of March 1980›, nacido el ‹3 de mayo de 1980›'],
    ['birthDate', 'born on 1981-02-29, due 1980-02-28, DOB 13/13/1980, born in 1980, ordered on March 12, 1980'],
    ['birthDate', 'birthdate=‹19800229›, DOB ‹02291980›, ordered 19800229, born 19801329'],
    ['email', 'jo＠mail.example'.replace(/^.*$/, '‹$&›')],
    ['email', '‹jo@mail.xn--p1ai›, ‹jo@ma\u00ADil.exam\u200Bple›'],
    ['card', '‹4111\u00A01111\u202F1111\u20091111›, ‹4111\u20111111\u20131111\u20141111›, ‹4111.1111.1111.1111›'],
    ['card', '‹４１１１ １１１１ １１１１ １１１１›, ‹٤١١١١١١١١١١١١١١١›, ‹४१११-११११-११११-११११›'],
    ['iban', '‹DE89\u00A03704\u00A00044\u00A00532\u00A00130\u00A000›'],
    ['phone', '‹+49\u00A030\u00A07654321›, ‹415\u2011555\u20110123›, ‹+4915112345678›'],
    ['nationalId', '‹123\u201145\u20116789›, ‹12.345.678-Z›, ‹AB\u00A012\u00A034\u00A056\u00A0C›, 12.345.678-A'],
    ['secret', 'postgres://jo:‹hunter2!›@db.example/x, https://host.example:8080/@jo, ftp://jo@db'],
  ];
  for (const [kind, marked] of texts) {
    const values = [...marked.matchAll(/‹(.*?)›/gs)].map(([, value]) => `${kind}:${value}`);
    const text = marked.replaceAll(/[‹›]/g, '');
    it(`finds ${values.length} (${kind}) in ${JSON.stringify(text.slice(0, 90))}`, () =>
      deepEqual(found(text), values));
  }

  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 6 }),
    fc.constantFrom(...texts.map(([, text]) => text.replaceAll(/[‹›]/g, '').slice(0, 60))),
    fc.constantFrom('@', '+', ' ', '.', '-', ':', '::', 'DE', 'born ', 'password='),
    fc.string({ unit: fc.constantFrom(...'0123456789abf'.split('')), maxLength: 20 }),
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
            // Not even four characters of it, but for the words that name its form.
            for (let at = start; at + 4 <= end; at += 1) {
              const part = text.slice(at, at + 4);
              ok(!/[0-9@]/.test(part) || !redacted.includes(part), redacted);
            }
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('shows a text without anything that would be found in it', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
        (text) => deepEqual(found(maskPersonalData(text)), []),
      ),
      { numRuns: 1000 },
    );
  });

  it('finds a planted value of every kind in any surroundings of words', () => {
    const words = fc
      .array(fc.constantFrom('my', 'box', 'was', 'eaten,', 'why?', 'ß', '😀', '12', 'well-known'), {
        minLength: 1,
        maxLength: 6,
      })
      .map((list) => list.join(' '));
    const planted = [
      'email:a.b@c.org',
      'phone:+44 20 7946 0958',
      'card:4012 8888 8888 1881',
      'iban:GB29 NWBK 6016 1331 9268 19',
      'nationalId:12345678Z',
      'ipAddress:198.51.100.23',
      'macAddress:00:1b:63:84:45:e6',
      'secret:AKIAIOSFODNN7NOTREAL',
      'birthDate:1980-02-29',
    ];
    deepEqual(
      planted.map((value) => value.split(':', 1)[0]),
      [...PII_KINDS],
    );
    fc.assert(
      fc.property(words, fc.constantFrom(...planted), words, (before, value, after) => {
        const lead = value.startsWith('birthDate') ? `${before} born` : before;
        deepEqual(found(`${lead} ${value.slice(value.indexOf(':') + 1)} x ${after}`), [value]);
      }),
    );
  });

  it('reads a megabyte of anything in time that is linear', function () {
    this.timeout(400_000);
    const units =
      '@|a|a@|a.|a@a.|1|1 |1-|+1|(((1|4111 1111 1111 1111 |DE89 |DE8 |D|1.2.|4 |0 |2345 |+1 2 |.@.|a@b.co |0 1 2 3 |-| |_|a_|eyJ|eyJ-|' +
      'eyJaaaaaaaaaaa.|-----BEGIN PRIVATE KEY-----|-----BEGIN |token=|token: |token:a1B2c3D4e5F6g7H8i9|a:|1:|ab:cd:|ghp_|sk-|sk-1|' +
      'born 1|12 |1980-01-01 |AB 12 |A1|1 Jan 1980 |born 1/1/80 |AB 12 34 56 C |2001:db8:|::|12-34-|RSSMRA85T10A562S|1a |a1-|tel 1|' +
      '123-45-6789 |phone 5|3.4.|\u00e9|\u00a0|1\u00a0|1\u200b|://|://a:b@|://a:|\u00e9@|xoxb-|a1B2c3D4|123456789 ';
    for (const unit of units.split('|')) {
      const text = unit.repeat(Math.ceil(1_000_000 / unit.length));
      // CPU time: the wall clock would also measure whatever else the machine does. A quadratic scan takes minutes.
      const from = process.cpuUsage();
      findPersonalData(text);
      const took = process.cpuUsage(from).user / 1000;
      ok(took < 5000, `${JSON.stringify(unit)} took ${Math.round(took)} ms`);
    }
  });

  it('finds next to nothing in messages that hold nothing [real-data]', function () {
    const root = process.env['ESPALIER_TEST_DATA'];
    if (root === undefined) return this.skip();
    const counts: Record<string, number> = {};
    let rows = 0;
    for (const name of ['banking77', 'clinc150', 'sst2', 'trec6', 'sgd-replies']) {
      const folder = join(root, 'datasets', name);
      for (const file of readdirSync(folder).filter((one) => one.endsWith('.jsonl'))) {
        for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
          if (line === '') continue;
          rows += 1;
          for (const { kind } of findPersonalData(line)) counts[kind] = (counts[kind] ?? 0) + 1;
        }
      }
    }
    ok(rows > 40_000);
    // Replies of the dialogue set name the telephone numbers of businesses.
    const { phone = 0, ...others } = counts;
    deepEqual(others, {});
    ok(phone < rows / 50, `${phone} of ${rows}`);
  });
});

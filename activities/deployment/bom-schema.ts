/** Whether a bill of materials is what CycloneDX 1.6 says it is, by its own JSON schema, which lies in `cyclonedx/`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { EspalierError } from '../../artifacts/errors.ts';
import { packageRoot } from '../../pipelines/load.ts';

let compiled: ValidateFunction | undefined;

/** Throws BadData with the path of the first thing that the schema does not allow. */
export function requireValidBom(text: string, name: string): void {
  compiled ??= compile();
  if (compiled(JSON.parse(text))) return;
  const first = compiled.errors?.[0];
  const path = first?.instancePath || '/';
  throw new EspalierError('BadData', `${name} is not CycloneDX 1.6: ${path} ${first?.message ?? 'is not allowed'}`, {
    where: `${name}#${path}`,
    fix: 'what stands there comes from the definition or the base model: correct it and run again; if it is right, report a bug',
  });
}

function compile(): ValidateFunction {
  const ajv = new Ajv({ strict: false });
  formats.default(ajv);
  // Of RFC 3987 and RFC 6531 as much as keeps text that is plainly none from passing; ajv-formats knows neither.
  ajv.addFormat('iri-reference', /^[^\s<>"{}|\\^`\p{Cc}]*$/u);
  ajv.addFormat('idn-email', /^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u);
  for (const name of ['spdx', 'jsf-0.82']) ajv.addSchema(read(name));
  return ajv.compile(read('bom-1.6'));
}

function read(name: string): object {
  const path = join(packageRoot(), 'activities', 'deployment', 'cyclonedx', `${name}.schema.json`);
  return JSON.parse(readFileSync(path, 'utf8')) as object;
}

/** The bundle's papers for people: NOTICE, and TERMS.md with what its users are bound to. Each a pure function of its input. */
import type { BundleTerms } from '../../artifacts/bundle-terms.ts';
import type { PackageModelInput, PackageRetrieverInput } from '../contract/deployment.ts';
import { escapeMarkdown } from './model-card.ts';

/** Longer notices stay where they are, and are named. */
const MAX_NOTICE_CHARACTERS = 256 * 1024;

/** NOTICE: where the model comes from, that it was changed, and every attribution that its licences ask for. */
export function noticeText(
  { model, base, pipeline }: Pick<PackageModelInput | PackageRetrieverInput, 'model' | 'base' | 'pipeline'>,
  own: readonly { readonly path: string; readonly text: string }[],
  changed = `fine-tuned (${pipeline.training?.method}) on data from ${oneLine(pipeline.data.source)}, and exported to ONNX`,
): string {
  const asked = [...new Set((base.licence.obligations ?? []).flatMap(({ notice }) => notice ?? []))];
  const parts = [
    `${model}\n\nThis model derives from ${oneLine(base.source)}, revision ${oneLine(base.revision)}.\nIt was changed: ${changed},\nby the Espalier pipeline ${oneLine(pipeline.name)}. All files in the folder ${model}/ are changed files.`,
    ...(asked.length === 0 ? [] : [`Attribution that its licences ask for:\n\n${asked.join('\n')}`]),
    ...own.map(({ path, text }) =>
      text.length > MAX_NOTICE_CHARACTERS
        ? `The notices of the base model are in LICENSES/base/${path}.`
        : `Notices of the base model (LICENSES/base/${path}):\n\n${text.trim()}`,
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** TERMS.md: what serving it passes on to its users. */
export function termsText(model: string, terms: BundleTerms, texts: readonly string[]): string {
  const { licences, restrictions, builtWith, machineGenerated } = terms;
  const list = (lines: readonly string[]): string => lines.map((line) => `- ${escapeMarkdown(line)}`).join('\n');
  const sections = [
    licences.length === 0
      ? 'No licence of its base model is known: nobody may use it but by permission of the owner.'
      : `The model derives from one under ${licences.map(escapeMarkdown).join(', ')}. Those terms bind whoever receives the model, uses it over a network, or makes another model of it.`,
    restrictions.length === 0
      ? 'They restrict no use.'
      : `Use restrictions, in short. The texts are what counts:\n\n${list(restrictions)}\n\nWhoever passes the model or access to it on passes these restrictions on, in terms that can be enforced.`,
    ...builtWith.map((words) => `**${escapeMarkdown(words)}**`),
    ...(machineGenerated ? ['Content made with this model must be disclosed as made by a machine.'] : []),
    texts.length === 0 ? 'The source brings no licence text.' : `The texts:\n\n${list(texts)}`,
  ];
  return `# Terms of ${escapeMarkdown(model)}\n\n${sections.join('\n\n')}\n`;
}

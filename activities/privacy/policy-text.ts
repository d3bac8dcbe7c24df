/** What a definition says about its rows and the people in them, as it is written down in papers. Pure. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { Pipeline } from '../../pipelines/definition.ts';
import type { ImageData } from '../../pipelines/definition/data.ts';

type Data = Pipeline['data'] | ImageData;

export function isOfPictures(data: Data): data is ImageData {
  return 'onPersonalMetadata' in data;
}

/** Of pictures it is about what their metadata tell: nobody looks for people in them. */
export function policyText(data: Data, ofTexts: (policy: PrivacyPolicy) => string = canonicalJson): string {
  return isOfPictures(data) ? `of pictures' metadata: ${data.onPersonalMetadata}` : ofTexts(data.onPersonalData);
}
type PrivacyPolicy = Exclude<Data, ImageData>['onPersonalData'];

/** Fetches the version of an object in argv[2] (JSON: version, folder), as a worker would that may be killed. */
import { fetchResumably } from '../../artifacts/resumed-object.ts';
import type { ObjectVersion } from '../../artifacts/object-parts.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';

const { version, folder } = JSON.parse(process.argv[2] ?? '') as { version: ObjectVersion; folder: string };
const settings = storeSettings();
await fetchResumably(createS3Client(settings), version, { folder, endpoint: 'store' });

/** What a data file's snapshot is stored as, by the file's format: the same bytes are one artifact, whoever takes it. */
export const DATA_MEDIA_TYPES = {
  csv: 'text/csv',
  jsonl: 'application/jsonl',
  json: 'application/ld+json',
  text: 'text/plain',
  tar: 'application/x-tar',
} as const;

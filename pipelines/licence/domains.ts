/**
 * What kind of field a domain is, by its words: sensitive ones need a validation study, licences exclude some, and a
 * domain that no row knows is for a person to judge. Pure; English words only.
 */

export const FIELDS = {
  medical: {
    sensitive: true,
    consequential: true,
    words:
      /\b(medic|clinic|diagnos|health|patient|hospital|radiolog|patholog|oncolog|dermatolog|cardiolog|psychiatr|therap|symptom|pharma|drug|surgeon|surger|surgical|disease|nursing)/,
  },
  'law-enforcement': {
    sensitive: true,
    consequential: true,
    words: /\b(law enforcement|polic(e|ing)\b|crim(e|inal)|forensic|predictive policing|recidivism|suspect)/,
  },
  justice: { sensitive: true, consequential: true, words: /\b(justice|court|judicial|judge|sentencing|parole|bail\b)/ },
  migration: { sensitive: true, consequential: true, words: /\b(migration|immigration|asylum|border|visa\b|refugee)/ },
  credit: { sensitive: true, consequential: true, words: /\b(credit|lending|loan|mortgage|underwriting|creditworth)/ },
  employment: {
    sensitive: true,
    consequential: true,
    words:
      /\b(employment|employee (evaluat|monitor|perform|screen|select)|recruit|hiring|resume|cv screening|candidate screening|applicant|workforce|human resources|hr\b|promotion decision|dismissal)/,
  },
  insurance: { sensitive: true, consequential: true, words: /\b(insur|actuar)/ },
  housing: { sensitive: true, consequential: true, words: /\b(housing|tenant|rental screening)/ },
  welfare: {
    sensitive: true,
    consequential: true,
    words: /\b(welfare|social (security|services|benefit)|benefits? (eligib|decision)|essential service)/,
  },
  biometric: {
    sensitive: true,
    consequential: true,
    words:
      /\b(biometric|face (recogn|ident|match)|facial|fingerprint|iris (recogn|scan)|gait|emotion (recogn|detect)|speaker ident|voice ident|person re-?ident)/,
  },
  surveillance: {
    sensitive: true,
    consequential: true,
    words: /\b(surveill|track(ing)? (of )?(people|persons|individual)|watchlist|spy|espionage|wiretap|social scoring)/,
  },
  education: {
    sensitive: true,
    consequential: true,
    words: /\b(exams?\b|examination|grading|admission|proctor|student assess)/,
  },
  'critical-infrastructure': {
    sensitive: true,
    consequential: true,
    words:
      /\b(critical infrastructure|power grid|nuclear plant|water supply|air traffic|railway|autonomous (driving|vehicle)|self-driving|heavy machinery|avionic|transportation safety)/,
  },
  military: {
    sensitive: true,
    consequential: true,
    words: /\b(militar|warfare|defen[cs]e|combat|battlefield|army|navy\b|soldier)/,
  },
  weapons: {
    sensitive: true,
    consequential: true,
    words: /\b(weapon|munition|explosive|missile|targeting system|nuclear|chemical agent|bioweapon)/,
  },
  malware: {
    sensitive: true,
    consequential: false,
    words: /\b(malware|ransomware|exploit development|phishing kit|spyware)/,
  },
  impersonation: { sensitive: true, consequential: false, words: /\b(impersonat|deep ?fake|voice clon)/ },
  'sexually-explicit': { sensitive: false, consequential: false, words: /\b(sexual|porn|nsfw|adult content|erotic)/ },
  finance: {
    sensitive: false,
    consequential: true,
    words: /\b(financ|bank|trading|invest|accounting|tax\b|payment|fraud|insolven)/,
  },
  legal: {
    sensitive: false,
    consequential: true,
    words: /\b(legal|law\b|law firm|lawyer|attorney|contract review|paralegal)/,
  },
  'public-administration': {
    sensitive: false,
    consequential: true,
    words: /\b(public (administration|sector|service)|administrati(on|ve)|government|municipal|ministry|civil service)/,
  },
  research: {
    sensitive: false,
    consequential: false,
    words: /\b(research|academi|scientific|science|universit|benchmark|thesis)/,
  },
} as const satisfies Record<string, { sensitive: boolean; consequential: boolean; words: RegExp }>;

export type Field = keyof typeof FIELDS;

/** Ordinary work: nobody's rights or safety hang on it. */
const ORDINARY =
  /\b(customer|support|help ?desk|service desk|ticket|chat|assistant|faq|retail|e-?commerce|commerce|shop|product|catalog|marketing|advertis|sales|crm|search|retrieval|recommend|analytic|internal|office|productivity|document|e-?mail|mail|inbox|message|content|media|news|journalis|publish|entertain|game|gaming|music|art\b|image|photo|video|travel|hotel|hospitality|restaurant|food|logistic|shipping|supply chain|warehouse|manufactur|quality control|agricultur|farming|weather|translat|summar|writing|copywriting|code|coding|program|software|develop|devops|it\b|telecom|sentiment|feedback|review|survey|moderation|spam|intent|topic|classification|routing|triaging|tagging|label|demo|test|prototype|evaluation|educat|learning|tutor|language|general|sport|fashion|real estate|energy|automotive)/;

export interface Domain {
  readonly fields: ReadonlySet<Field>;
  /** Some row knows it. */
  readonly known: boolean;
  readonly sensitive: boolean;
  /** Decisions there touch people's rights or living. */
  readonly consequential: boolean;
}

const remembered = new Map<string, Domain>();

/** The fields a domain belongs to; several are possible. */
export function classifyDomain(domain: string): Domain {
  const found = remembered.get(domain);
  if (found !== undefined) return found;
  const words = domain.toLowerCase().replaceAll(/[\s_\-/]+/g, ' ');
  const fields = (Object.keys(FIELDS) as Field[]).filter((field) => FIELDS[field].words.test(words));
  const classified = {
    fields: new Set(fields),
    known: fields.length > 0 || ORDINARY.test(words),
    sensitive: fields.some((field) => FIELDS[field].sensitive),
    consequential: fields.some((field) => FIELDS[field].consequential),
  };
  // A pipeline has one domain, a table of cases a few: what is beyond that is not worth keeping.
  if (remembered.size < 1000) remembered.set(domain, classified);
  return classified;
}

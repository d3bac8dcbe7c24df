/** The candidate that was chosen, of a run's facts; undefined until one is. */
export function winnerOf<Candidate extends { readonly id: string }>({
  candidates,
  selection,
}: {
  readonly candidates?: readonly Candidate[];
  readonly selection?: { readonly winner: string };
}): Candidate | undefined {
  return candidates?.find(({ id }) => id === selection?.winner);
}

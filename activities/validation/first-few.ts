/** The first few in an order, of many that come one after the other; no more than those few are held. Pure. */
export function firstFew<Item>(
  most: number,
  /** As `sort` takes it; what comes first stays first among equals. */
  compare: (one: Item, other: Item) => number,
): { readonly add: (item: Item) => void; readonly items: () => readonly Item[] } {
  const kept: Item[] = [];
  return {
    add(item) {
      let place = kept.length;
      while (place > 0 && compare(item, kept[place - 1]!) < 0) place -= 1;
      if (place >= most) return;
      kept.splice(place, 0, item);
      if (kept.length > most) kept.pop();
    },
    items: () => kept,
  };
}

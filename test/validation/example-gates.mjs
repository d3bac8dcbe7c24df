/** @satisfies {import('espalier').CustomGates} */
export const gates = {
  // One label a text or picture: of the refunds that were asked for, how many are recognised?
  refundRecall: {
    judges: 'labels',
    measure({ predictions }) {
      const asked = predictions.filter(({ expected }) => expected === 'refund');
      const found = asked.filter(({ predicted }) => predicted === 'refund');
      return { value: found.length / asked.length, rows: asked.length };
    },
  },
  // Several labels a text: how many urgent ones does no threshold save, being all but excluded?
  urgentLost: {
    judges: 'label-sets',
    async measure({ labels, eachRow }) {
      const urgent = labels.indexOf('urgent');
      let [lost, rows] = [0, 0];
      for await (const { expected, probabilities } of eachRow()) {
        if (!expected.includes('urgent')) continue;
        rows++;
        if ((probabilities[urgent] ?? 0) < 0.05) lost++;
      }
      return { value: lost / rows, rows };
    },
  },
  // Pictures that are found: how often is the first one surely, and wrongly, the nearest?
  surelyWrong: {
    judges: 'neighbours',
    async measure({ eachRow }) {
      let [wrong, rows] = [0, 0];
      for await (const { label, found } of eachRow()) {
        const [first] = found;
        rows++;
        if (first !== undefined && first.label !== label && first.similarity > 0.9) wrong++;
      }
      return { value: wrong / rows, rows };
    },
  },
  // Answers of a generator: how many say next to nothing?
  shortAnswers: {
    judges: 'answers',
    measure({ answers }) {
      const short = answers.filter(({ answer }) => answer.trim().length < 20);
      return { value: short.length / answers.length, rows: answers.length };
    },
  },
};

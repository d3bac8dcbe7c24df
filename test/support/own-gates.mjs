/**
 * Of whole runs: each passes where it is given what it should be.
 *
 * @satisfies {import('espalier').CustomGates}
 */
export const gates = {
  knowsProbabilities: {
    judges: 'label-sets',
    async measure({ labels, thresholds, eachRow }) {
      let [right, rows] = [0, 0];
      for await (const { predicted, probabilities } of eachRow()) {
        const above = labels.filter((_, at) => (probabilities[at] ?? NaN) >= Math.fround(thresholds[at] ?? NaN));
        rows++;
        if (above.join() === predicted.join()) right++;
      }
      return { value: right / rows, rows };
    },
  },
  findsAsMeasured: {
    judges: 'neighbours',
    async measure({ k, measures, eachRow }) {
      let [sum, answered, rows] = [0, 0, 0];
      for await (const { precisionAtK, found } of eachRow()) {
        if (found.length !== k) throw new RangeError(`${found.length} are found, and k is ${k}`);
        rows++;
        if (precisionAtK === null) continue;
        sum += precisionAtK;
        answered++;
      }
      return { value: Math.abs(sum / answered - (measures.precisionAtK.value ?? NaN)), rows };
    },
  },
  answersSomething: {
    judges: 'answers',
    measure({ answers }) {
      return { value: answers.filter(({ answer }) => answer !== '').length / answers.length, rows: answers.length };
    },
  },
};

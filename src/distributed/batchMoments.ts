/** Mean and spread of values that lie on several ranks, from those of each rank's own. */

/** How many numbers a rank sends for C channels: its count of values, the means, the m2s. */
export function momentsLength(C: number): number {
  return 2 * C + 1;
}

/**
 * Merges (count, mean, m2 = sum (x - mean)^2) of all ranks, per channel, in the order of ranks:
 *   n = n_a + n_b, d = mean_b - mean_a, mean = mean_a + d n_b / n, m2 = m2_a + m2_b + d^2 n_a n_b / n
 * Ranks without values add nothing; equal means stay exactly as they are. Source: Chan, Golub, LeVeque,
 * "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
 * @param parts count, means and m2s of all ranks, [ranks, 2 C + 1].
 * @param mean receives the means, [C].
 * @param m2 receives the sums of squares about the mean, [C].
 * @returns the number of values per channel on all ranks together.
 */
export function mergeMoments(
  parts: Float64Array,
  ranks: number,
  mean: Float64Array,
  m2: Float64Array,
): number {
  const C = mean.length;
  mean.fill(0);
  m2.fill(0);
  let total = 0;
  for (let rank = 0; rank < ranks; rank++) {
    const at = rank * momentsLength(C);
    const count = parts[at] as number;
    if (count === 0) continue;
    const before = total;
    total += count;
    const share = count / total;
    for (let c = 0; c < C; c++) {
      const old = mean[c] as number;
      const d = (parts[at + 1 + c] as number) - old;
      mean[c] = old + d * share;
      // In this order the first rank adds nothing of its own, however large its mean.
      m2[c] = (m2[c] as number) + (parts[at + 1 + C + c] as number) + d * (d * before * share);
    }
  }
  return total;
}

/** Special functions beside PyTorch 1.13: Bessel and Airy functions, polynomials of very high degree, zeros of lgamma. */
import { describe, expect, test } from "vitest";
import { lgamma, special, tensor } from "../../src/index.js";

const f64 = (data: number | number[]) => tensor(data, { dtype: "float64" });

describe("Bessel functions have PyTorch's numbers", () => {
  // Near 5 they are not the best ones: PyTorch leaves out the leading 1 of the denominators it took from Cephes.
  const at = [0.5, 2, 4.9, 5, 5.01, 5.5, 7, 9.99, 10.01, 15, 100];
  const recorded = {
    besselJ0: [
      0.938469807240813, 0.22389077914124356, -0.20973833620591686, -0.17759678121123898,
      -0.17431580495335844, -0.006844032739174986, 0.3000792697173623, -0.24548852590856612,
      -0.24635797483248928, -0.01422447282613733, 0.01998585030422333,
    ],
    besselJ1: [
      0.24226845767487387, 0.5767248077568801, -0.3146946753606358, -0.3275791437359959, -0.328683549198815,
      -0.3414382146061456, -0.004682797275893047, 0.045974634573906645, 0.040969056129686106,
      0.2051040386134137, -0.0771453520141123,
    ],
    besselY0: [
      -0.4445187335067066, 0.5103756726497742, -0.29205460404698097, -0.3085176376345636, -0.3099791420766963,
      -0.3394805932433183, -0.02594975564546204, 0.05815974159710231, 0.053179516310113244,
      0.2054642960389682, -0.0772443133650831,
    ],
    besselY1: [
      -1.471472392670243, -0.10703243154093531, 0.1812466991585328, 0.14786315225770028, 0.14447772351594593,
      -0.023758610827091027, -0.3026672388243377, 0.24869524897090334, 0.24931063956240127,
      0.021073628038279554, -0.02037231200275932,
    ],
  };
  test.each(Object.entries(recorded))("%s", (name, values) => {
    const got = special[name as keyof typeof recorded](f64(at)).toArray() as number[];
    got.forEach((v, i) => {
      expect(v).toBeCloseTo(values[i] as number, 13); // 4e-14 between the two ways to the same numbers
    });
  });
});

test("Airy's function has PyTorch's numbers left of -2.09 too", () => {
  const at = f64([-7, -4, -2.5, -2.2, -2.0901, -2.08, 0.5, 3]);
  const recorded = [
    0.18428083525050618, -0.07026553297551054, -0.11232483666261353, 0.09614693775765294, 0.16998805230549835,
    0.17658105160983947, 0.23169360648083345, 0.00659113935746072,
  ];
  (special.airyAi(at).toArray() as number[]).forEach((v, i) => {
    expect(v).toBeCloseTo(recorded[i] as number, 14);
  });
});

describe("polynomials of degrees without end", () => {
  const x = f64([-2.5, -0.5, 0.3, 1.5, 1, -1, 40]);
  const polynomials = [
    "chebyshevPolynomialT",
    "chebyshevPolynomialU",
    "chebyshevPolynomialV",
    "chebyshevPolynomialW",
    "hermitePolynomialH",
    "hermitePolynomialHe",
    "laguerrePolynomialL",
    "legendrePolynomialP",
    "shiftedChebyshevPolynomialT",
    "shiftedChebyshevPolynomialU",
    "shiftedChebyshevPolynomialV",
    "shiftedChebyshevPolynomialW",
  ] as const;
  test.each(polynomials)("%s is 0 for degrees past 64 bits, as for negative ones", (name) => {
    for (const degree of [1e20, Number.POSITIVE_INFINITY, Number.NaN, -3]) {
      expect(special[name](x, f64(degree)).toArray()).toEqual([0, 0, 0, 0, 0, 0, 0]);
    }
  });

  test("past the largest number they stop at NaN", () => {
    const outside = f64([-2.5, 1.5, 40]);
    for (const name of ["chebyshevPolynomialT", "hermitePolynomialH", "legendrePolynomialP"] as const) {
      expect(special[name](outside, f64(1e9)).toArray()).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    }
  });
});

test("lgamma is 0 at 1 and 2, not -0", () => {
  expect(lgamma(f64([1, 2])).toArray()).toEqual([0, 0]);
  expect(lgamma(tensor([1, 2])).toArray()).toEqual([0, 0]);
});

/** Orthogonal polynomials of a degree n given per element (its whole part counts; 0 for n < 0). No derivatives. */
import { type Binary, binary, floatCode } from "./core.js";
import { noDerivative } from "./floatParts.js";

function polynomial(name: string): Binary {
  return binary(name, { cost: 40, ...noDerivative(name) }, floatCode);
}

/** Chebyshev polynomial of the first kind, T_n(x). Source: `torch.special.chebyshev_polynomial_t`. */
export const chebyshevPolynomialT: Binary = polynomial("chebyshevPolynomialT");
/** Chebyshev polynomial of the second kind, U_n(x). Source: `torch.special.chebyshev_polynomial_u`. */
export const chebyshevPolynomialU: Binary = polynomial("chebyshevPolynomialU");
/** Chebyshev polynomial of the third kind, V_n(x). Source: `torch.special.chebyshev_polynomial_v`. */
export const chebyshevPolynomialV: Binary = polynomial("chebyshevPolynomialV");
/** Chebyshev polynomial of the fourth kind, W_n(x). Source: `torch.special.chebyshev_polynomial_w`. */
export const chebyshevPolynomialW: Binary = polynomial("chebyshevPolynomialW");
/** T_n(2x - 1). Source: `torch.special.shifted_chebyshev_polynomial_t`. */
export const shiftedChebyshevPolynomialT: Binary = polynomial("shiftedChebyshevPolynomialT");
/** U_n(2x - 1). Source: `torch.special.shifted_chebyshev_polynomial_u`. */
export const shiftedChebyshevPolynomialU: Binary = polynomial("shiftedChebyshevPolynomialU");
/** V_n(2x - 1). Source: `torch.special.shifted_chebyshev_polynomial_v`. */
export const shiftedChebyshevPolynomialV: Binary = polynomial("shiftedChebyshevPolynomialV");
/** W_n(2x - 1). Source: `torch.special.shifted_chebyshev_polynomial_w`. */
export const shiftedChebyshevPolynomialW: Binary = polynomial("shiftedChebyshevPolynomialW");
/** Hermite polynomial of the physicists, H_n(x). Source: `torch.special.hermite_polynomial_h`. */
export const hermitePolynomialH: Binary = polynomial("hermitePolynomialH");
/** Hermite polynomial of the probabilists, He_n(x). Source: `torch.special.hermite_polynomial_he`. */
export const hermitePolynomialHe: Binary = polynomial("hermitePolynomialHe");
/** Laguerre polynomial L_n(x). Source: `torch.special.laguerre_polynomial_l`. */
export const laguerrePolynomialL: Binary = polynomial("laguerrePolynomialL");
/** Legendre polynomial P_n(x). Source: `torch.special.legendre_polynomial_p`. */
export const legendrePolynomialP: Binary = polynomial("legendrePolynomialP");

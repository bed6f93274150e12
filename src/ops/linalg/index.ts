/** Linear algebra (`torch.linalg`), for real floating dtypes. `eig` and `eigvals` are left out: their results are complex. */
export { matmul } from "../matmul.js";
export { cholesky, choleskyEx } from "./cholesky.js";
export { det, slogdet } from "./determinant.js";
export { eigh, eigvalsh } from "./eigh.js";
export { ldlFactor, ldlFactorEx, ldlSolve } from "./ldl.js";
export { lu, luFactor, luFactorEx, luSolve } from "./lu.js";
export { cond, matrixNorm, norm, vectorNorm } from "./norms.js";
export { matrixExp, matrixPower, multiDot } from "./powers.js";
export { lstsq, matrixRank, pinv } from "./pseudoinverse.js";
export { householderProduct, qr } from "./qr.js";
export { inv, invEx, solve, solveEx, tensorinv, tensorsolve } from "./solve.js";
export { svd, svdvals } from "./svd.js";
export { solveTriangular } from "./triangular.js";
export { cross, diagonal, vander, vecdot } from "./vectors.js";

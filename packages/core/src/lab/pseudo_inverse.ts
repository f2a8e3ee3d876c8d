import { OptionError } from "../errors.ts";

/** A matrix in double precision: rows of equal length. */
export type Matrix = readonly (readonly number[])[];

/** The decomposition `A = U · diag(S) · Vᵀ` of an m x n matrix, m ≥ n. */
interface SingularValues {
  /** m x n, its columns orthonormal where the singular value is not 0. */
  readonly u: number[][];
  readonly s: readonly number[];
  /** n x n, orthogonal. */
  readonly v: number[][];
}

/** Sweeps over all pairs of columns; ten are plenty for double precision (Jacobi's method converges quadratically). */
const mostSweeps = 60;

/**
 * The Moore-Penrose pseudo-inverse: the matrix that takes `A x` back to `x` where A has full column rank, and to the shortest least-squares
 * solution anywhere else. Singular values below `1e-12` of the largest count as 0.
 *
 * @returns n x m for an m x n matrix
 * @throws {OptionError} for an empty or ragged matrix
 */
export function pseudoInverse(matrix: Matrix): Matrix {
  const columns = matrix[0]?.length ?? 0;
  if (columns === 0 || matrix.some((row) => row.length !== columns))
    throw new OptionError(
      "A pseudo-inverse needs a matrix with at least one row, one column, and rows of equal length.",
    );
  if (matrix.length < columns) return transpose(pseudoInverse(transpose(matrix)));
  const { u, s, v } = decompose(matrix);
  const tolerance = 1e-12 * Math.max(...s);
  const inverse = s.map((value) => (value > tolerance ? 1 / value : 0));
  return v.map((row) =>
    matrix.map((_, i) =>
      row.reduce((sum, value, k) => sum + value * (inverse[k] as number) * (u[i]?.[k] as number), 0),
    ),
  );
}

/** One-sided Jacobi rotations: turns pairs of columns until all are orthogonal; their lengths are the singular values (Hestenes, 1958). */
function decompose(matrix: Matrix): SingularValues {
  const columns = transpose(matrix).map((column) => [...column]);
  const v = columns.map((_, i) => columns.map((_, j) => Number(i === j)));
  for (let sweep = 0, turned = true; turned && sweep < mostSweeps; sweep++) {
    turned = false;
    for (let p = 0; p < columns.length - 1; p++)
      for (let q = p + 1; q < columns.length; q++) turned = rotate(columns, v, p, q) || turned;
  }
  const s = columns.map(length);
  const u = columns.map((column, k) => column.map((value) => ((s[k] as number) > 0 ? value / (s[k] as number) : 0)));
  return { u: transpose(u).map((row) => [...row]), s, v };
}

/** Makes columns p and q orthogonal; returns whether they were not yet. `v` holds the same rotations, as rows of its transpose. */
function rotate(columns: number[][], v: number[][], p: number, q: number): boolean {
  const [a, b] = [columns[p] as number[], columns[q] as number[]];
  const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
  if (Math.abs(ab) <= 1e-15 * Math.sqrt(aa * bb)) return false;
  const zeta = (bb - aa) / (2 * ab);
  const tangent = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
  const cosine = 1 / Math.sqrt(1 + tangent * tangent);
  const sine = cosine * tangent;
  turn(a, b, cosine, sine);
  for (const row of v) {
    const [x, y] = [row[p] as number, row[q] as number];
    row[p] = cosine * x - sine * y;
    row[q] = sine * x + cosine * y;
  }
  return true;
}

function turn(a: number[], b: number[], cosine: number, sine: number): void {
  for (const [i, x] of a.entries()) {
    const y = b[i] as number;
    a[i] = cosine * x - sine * y;
    b[i] = sine * x + cosine * y;
  }
}

/** Rows become columns. */
export function transpose(matrix: Matrix): Matrix {
  return (matrix[0] ?? []).map((_, column) => matrix.map((row) => row[column] as number));
}

/** The product of two matrices. */
export function multiply(a: Matrix, b: Matrix): Matrix {
  const columns = transpose(b);
  return a.map((row) => columns.map((column) => dot(row, column)));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

function length(vector: readonly number[]): number {
  return Math.sqrt(dot(vector, vector));
}

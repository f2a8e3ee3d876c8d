/** Which kind of thing went wrong; stable, so that programs may switch on it. */
export type ErrorCode =
  | "shape"
  | "graph"
  | "format"
  | "weights"
  | "option"
  | "unsupported"
  | "io"
  | "disposed"
  | "aborted"
  | "diverged"
  | "internal";

/** What may accompany an error's message. */
export interface ErrorDetails {
  /** What the reader can do about it. */
  readonly hint?: string;
  /** The file that it is about. */
  readonly file?: string;
  /** What was caught, when this error explains another. */
  readonly cause?: unknown;
}

/** Base of every error that Depthwise throws. `code` is stable; `message` says what, where, expected and received. */
export class DepthwiseError extends Error {
  override readonly name: string = "DepthwiseError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly file: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.file = details.file;
  }
}

/** Shapes or attributes of an operation do not fit together. Thrown when the node is built. */
export class ShapeError extends DepthwiseError {
  override readonly name = "ShapeError";
  constructor(message: string, details?: ErrorDetails) {
    super("shape", message, details);
  }
}

/** A graph is not well formed: a name used twice, a value that does not exist, a cycle. */
export class GraphError extends DepthwiseError {
  override readonly name = "GraphError";
  constructor(message: string, details?: ErrorDetails) {
    super("graph", message, details);
  }
}

/** A file's bytes are not what its format demands. */
export class FormatError extends DepthwiseError {
  override readonly name = "FormatError";
  constructor(message: string, details?: ErrorDetails) {
    super("format", message, details);
  }
}

/** Weights do not fit a network: missing, unexpected or mis-shaped tensors, all of them listed. */
export class WeightsError extends DepthwiseError {
  override readonly name = "WeightsError";
  constructor(message: string, details?: ErrorDetails) {
    super("weights", message, details);
  }
}

/** An option, a name or an argument is not one that we know or allow. */
export class OptionError extends DepthwiseError {
  override readonly name = "OptionError";
  constructor(message: string, details?: ErrorDetails) {
    super("option", message, details);
  }
}

/** Something well formed that this version does not do. */
export class UnsupportedError extends DepthwiseError {
  override readonly name = "UnsupportedError";
  constructor(message: string, details?: ErrorDetails) {
    super("unsupported", message, details);
  }
}

/** A file could not be read or written. */
export class IoError extends DepthwiseError {
  override readonly name = "IoError";
  constructor(message: string, details?: ErrorDetails) {
    super("io", message, details);
  }
}

/** Something was used after its `dispose()`. */
export class DisposedError extends DepthwiseError {
  override readonly name = "DisposedError";
  constructor(message: string, details?: ErrorDetails) {
    super("disposed", message, details);
  }
}

/** A bug of ours, never a user's mistake. */
export class InternalError extends DepthwiseError {
  override readonly name = "InternalError";
  constructor(message: string, details?: ErrorDetails) {
    super("internal", `${message} (this is a bug in Depthwise, please report it)`, details);
  }
}

/** Asserts what our own code must guarantee. Never used on input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}

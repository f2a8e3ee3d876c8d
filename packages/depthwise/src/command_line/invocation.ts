/** A verb as it was called. */
export interface Invocation<Options> {
  /** `describe`. */
  readonly verb: string;
  /** MODEL, its options, and the arguments of the verb, in order. */
  readonly words: readonly string[];
  /** What stood after `--`: names, whatever they begin with. */
  readonly literal: readonly string[];
  /** The verb's own options. */
  readonly options: Options;
  /** Their names, `--json` and so on, for suggestions. */
  readonly optionNames: readonly string[];
}

/** Options that every verb has. */
export interface CommonOptions {
  /** Print one JSON document instead of tables. */
  readonly json?: boolean;
}

/** Where a MODEL's weights come from. */
export interface WeightsOptions {
  readonly weights?: string;
  readonly seed?: number;
}

/** What a verb does. Returns its exit code where that is not 0. */
export type Command<Options> = (invocation: Invocation<Options>) => Promise<number | undefined>;

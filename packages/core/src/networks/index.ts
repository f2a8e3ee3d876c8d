export { type AnyFamily, build, familyOf, type ListedVariant, listVariants } from "./build.ts";
export { type ExchangeLayout, type ExchangeName, exchangeNames, findModule } from "./exchange_names.ts";
export { type FamilyOptions, families } from "./families.ts";
export {
  balancedBranchSizes,
  bestBranchSizes,
  branchPermutation,
  type InterleavedLayer,
  interleavedCost,
  interleavedCostBound,
  interleavedGroupWeights,
  interleavedLayers,
  isBalanced,
  isComplementary,
  isWiderThanDense,
  optimalLayers,
  superChannelPaths,
  widestInterleavedGroup,
} from "./interleaving.ts";
export { editDistance, nearestName, suggestion } from "./nearest_name.ts";
export type {
  Family,
  FamilyName,
  Naming,
  Network,
  OptionRule,
  PublishedFigures,
  Variant,
} from "./network.ts";
export type { PaddingConvention, PictureOptions } from "./picture_options.ts";

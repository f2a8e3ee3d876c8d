export type { Compiled, Manifest, PortManifest, StepManifest } from "./manifest.ts";
export { type LoadOptions, load, type Model, type StepTime } from "./model.ts";

export type { Compiled, Manifest, PortManifest, StepManifest } from "./manifest.ts";
export { load, type Model, type StepTime } from "./model.ts";

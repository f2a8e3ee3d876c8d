import { fetchBytes, reportFirstResult } from "./first_result.ts";

reportFirstResult(async () => {
  await fetchBytes("./weights.bin");
  return () => new Float32Array();
});

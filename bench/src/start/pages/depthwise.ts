import { picture, reportFirstResult } from "./first_result.ts";
import { createModel } from "./model.mjs";

reportFirstResult(async () => {
  const model = await createModel();
  return () => model.run(picture());
});

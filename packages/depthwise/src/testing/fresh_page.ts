import type { Browser, Page } from "playwright-core";

/** A page with nothing in its caches: closed together with its context. */
export interface FreshPage extends AsyncDisposable {
  readonly page: Page;
  /** Console messages and errors that nobody caught, refusals of a policy among them. */
  readonly messages: readonly string[];
}

/** @param beside any page of the browser */
export async function freshPage(beside: Page): Promise<FreshPage> {
  const context = await (beside.context().browser() as Browser).newContext();
  const page = await context.newPage();
  const messages: string[] = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  return { page, messages, [Symbol.asyncDispose]: () => context.close() };
}

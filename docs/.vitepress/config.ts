import { defineConfig } from "vitepress";
import navigation from "../src/navigation.json" with { type: "json" };

export default defineConfig({
  title: "Depthwise",
  description: "Mobile convolutional networks: priced, drawn, compiled to WebAssembly",
  srcDir: "site",
  cleanUrls: true,
  lang: "en",
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Getting started", link: "/getting_started" },
      { text: "Families", link: "/families/" },
    ],
    sidebar: navigation,
  },
});

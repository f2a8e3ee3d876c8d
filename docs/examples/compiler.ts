import { build, compile } from "depthwise";

const { bytes, manifest } = compile(build("squeezenet_1.1"), {
  onPass: ({ pass, changed }) => console.log(`${pass}: ${changed ? "changed" : "nothing to do"}`),
});
console.log(WebAssembly.validate(bytes as BufferSource), manifest.name);

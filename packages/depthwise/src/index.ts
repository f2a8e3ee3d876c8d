export * from "@depthwise/core";
export { type DecodeOptions, decodePicture } from "./pictures/decode_picture.ts";
export { listPictures, type PictureList, type SkippedFile } from "./pictures/list_pictures.ts";

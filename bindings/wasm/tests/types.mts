// What index.d.ts allows, and what it refuses.
import { ALL, Sidelight, SidelightError, createPicture, type Picture } from "sidelight";

export async function show(file: ArrayBuffer, decoded: Picture): Promise<Picture> {
  const sidelight = await Sidelight.open(ALL);
  const { params, payload } = sidelight.readJpeg(file);
  const decoder = sidelight.decoder({ modelSize: "small" });
  try {
    if (payload) decoder.setPayload(payload, params);
  } catch (error) {
    if (!(error instanceof SidelightError) || error.name !== "STALE") throw error;
    decoder.setMode("base", { codec: "jpeg", quant: [new Array(64).fill(16), null] });
  }
  decoder.setMode("off");
  const out = createPicture("4:2:0", 16, 16, 10);
  decoder.filter(decoded, { out });
  return decoder.filter(decoded, { bitDepth: 16 });
}

// @ts-expect-error a layout of another name
createPicture("4:2:1", 1, 1);
// @ts-expect-error the constructor is not for callers
new Sidelight();

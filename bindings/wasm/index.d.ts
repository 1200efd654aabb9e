/** The module with JPEG's small model inside. */
export const SMALL: URL;
/** The module with JPEG's models of all sizes. */
export const ALL: URL;
/** Strength at which corrections are added as they are: 64. */
export const FULL_STRENGTH: 64;

export type Layout = "4:0:0" | "4:2:0" | "4:2:2" | "4:4:4" | "4:4:0" | "4:1:1";
export type Mode = "off" | "base" | "update";
export type Codec = "jpeg" | "hevc";
export type ModelSize = "small" | "medium" | "large";
export type BitDepth = 8 | 10 | 12 | 16;
export type Bytes = ArrayBuffer | ArrayBufferView;
export type ErrorName =
  | "CONFLICT"
  | "NO_PAYLOAD"
  | "OUT_OF_MEMORY"
  | "UNKNOWN_MODEL"
  | "INVALID_ARGUMENT"
  | "TOO_LARGE"
  | "CORRUPT"
  | "UNSUPPORTED"
  | "STALE"
  | "INTERNAL"
  | "UNKNOWN";

/** Why a call failed. */
export class SidelightError extends Error {
  /** A SidelightError of the header, below zero. */
  readonly code: number;
  /** What the header calls it. */
  readonly name: ErrorName;
  constructor(code: number, message: string);
}

/** Samples of a plane, row by row: Uint16Array where the picture has more than 8 bits. */
export interface Plane {
  data: Uint8Array | Uint8ClampedArray | Uint16Array;
  /** Samples from one row to the next; as many as a row has if it is not there. */
  stride?: number;
}

/** A picture as it was coded: luma, and Cb and Cr where the layout has them. */
export interface Picture {
  layout: Layout;
  /** Luma samples in a row, 1 to 65535. */
  width: number;
  /** Luma rows, 1 to 65535. */
  height: number;
  /** 8 if it is not there; 16 only of pictures that the filter writes. */
  bitDepth?: BitDepth;
  planes: Plane[];
}

/** How a picture was coded. */
export interface CodecParams {
  codec: Codec;
  /** JPEG: tables of luma and chroma in natural order; null for that of luma. */
  quant?: [ArrayLike<number>, ArrayLike<number> | null];
  /** What a payload is bound to. */
  binding?: bigint;
  /** HEVC: QPs of intra, P and B pictures. */
  qp?: [number, number, number];
}

/** What a JPEG file says of itself. */
export interface JpegParams extends CodecParams {
  codec: "jpeg";
  quant: [Uint16Array, Uint16Array | null];
  binding: bigint;
  /** Bytes of the file without payload and metadata. */
  codedBytes: number;
}

/** What a payload says of itself. */
export interface PayloadInfo {
  mode: Mode;
  /** Id of the base model; 0 where the mode is off. */
  model: number;
  /** Whether this module has that model, or needs none. */
  known: boolean;
  codec: Codec | null;
  modelSize: ModelSize | null;
  updateBytes: number;
  qp: number[];
}

export interface DecoderSettings {
  /** Size of the base model of setMode(); payloads name theirs. */
  modelSize?: ModelSize | "default";
  /** Accept payloads without comparing their binding. */
  skipBinding?: boolean;
}

/** Makes an empty picture, whose planes have no padding. */
export function createPicture(layout: Layout, width: number, height: number, bitDepth?: BitDepth): Picture;

/** An instance of the library, with memory of its own. It runs on the thread that calls it. */
export class Sidelight {
  private constructor(instance: WebAssembly.Instance);
  /** Opens a module: its URL, bytes, a Response or a WebAssembly.Module; SMALL if nothing is said. */
  static open(source?: URL | string | Bytes | Response | WebAssembly.Module): Promise<Sidelight>;
  /** The library's version: "0.1.0". */
  readonly version: string;
  /** The instance's memory in bytes. */
  readonly memoryBytes: number;
  /**
   * A JPEG's parameters and the payload in it, or null where there is none. Where the payload is damaged,
   * `{ payload: false }` still gives the parameters.
   */
  readJpeg(jpeg: Bytes, options?: { payload?: boolean }): { params: JpegParams; payload: Uint8Array | null };
  /** What a payload says of itself. */
  probe(payload: Bytes): PayloadInfo;
  /** The largest difference of decoded planes from those of the accurate integer transform: more than 1 is bad. */
  checkPlanes(jpeg: Bytes, decoded: Picture): number;
  /** A new decoder, which lets pictures through until a payload or a mode is set. */
  decoder(settings?: DecoderSettings): Decoder;
}

/** Filters pictures as a payload, or a mode, asks. */
export class Decoder {
  private constructor();
  /** Sets what a payload asks for. On an error the decoder lets pictures through. */
  setPayload(payload: Bytes, params: CodecParams): Mode;
  /** Sets filtering without a payload. */
  setMode(mode: "off"): void;
  setMode(mode: "off" | "base", params: CodecParams): void;
  /** Sets how much of the correction pictures get: 0 to FULL_STRENGTH. */
  setStrength(strength: number): void;
  /**
   * Filters a picture into `out`, or into a new one of `bitDepth` bits, and returns that. `progress` is told the part
   * that is done, up to 1, every some hundred rows.
   */
  filter(
    picture: Picture,
    options?: { bitDepth?: BitDepth; out?: Picture; progress?: (part: number) => void },
  ): Picture;
  /** Gives back the decoder's memory. */
  close(): void;
}

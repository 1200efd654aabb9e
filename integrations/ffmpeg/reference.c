/* What the filter must give, without FFmpeg: makes payloads for raw decoded pictures, and filters raw
 * decoded pictures with the payloads that stand in the coded stream.
 *
 *   reference code   STREAM.hevc TYPES FORMAT WIDTHxHEIGHT ORIGINAL.yuv DECODED.yuv OUT.hevc
 *   reference filter STREAM.hevc TYPES FORMAT WIDTHxHEIGHT DECODED.yuv OUT.yuv [INTRA,P,B]
 *   reference junk   STREAM.hevc OUT.hevc
 *   reference code   FILE.jpg -    FORMAT WIDTHxHEIGHT ORIGINAL.yuv DECODED.yuv OUT.jpg
 *   reference filter FILE.jpg -    FORMAT WIDTHxHEIGHT DECODED.yuv OUT.yuv [base]
 *
 * TYPES has one letter for each picture in output order: K (IRAP), I, P, B. `code` puts two different
 * payloads on the IRAP pictures: A, A again, B, none, A, and so on. With INTRA,P,B, pictures without a
 * payload get the base model of these QPs. FORMAT:OUTPUT:STRENGTH has the output in a deeper format, and
 * that strength of the correction. `junk` puts nonsense in the payloads' place. */
#include <sidelight.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, int error) {
  fprintf(stderr, "reference: %s%s%s\n", what, error ? ": " : "", error ? sidelight_strerror(error) : "");
  exit(1);
}

static void must(const char *what, int result) {
  if (result < 0)
    die(what, result);
}

static uint8_t *load(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  uint8_t *data;
  if (!file || fseek(file, 0, SEEK_END) != 0)
    die(path, 0);
  *size = (size_t)ftell(file);
  rewind(file);
  data = malloc(*size + 1);
  if (!data || fread(data, 1, *size, file) != *size)
    die(path, 0);
  data[*size] = 0;
  fclose(file);
  return data;
}

static void save(const char *path, const uint8_t *data, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
    die(path, 0);
}

static int is_jpeg(const char *path) { return strstr(path, ".jpg") != NULL; }

/* ---- raw pictures ---- */

typedef struct Shape {
  SidelightPicture picture;
  size_t bytes, plane_bytes[3];
} Shape;

static Shape shape_of(const char *format, const char *size) {
  Shape s = {0};
  SidelightPicture *p = &s.picture;
  const char *kind = strncmp(format, "yuv", 3) == 0 ? format + 3 : format;
  kind += *kind == 'j';
  if (sscanf(size, "%ux%u", &p->width, &p->height) != 2)
    die("size", 0);
  p->layout = strncmp(kind, "420p", 4) == 0   ? SIDELIGHT_LAYOUT_I420
              : strncmp(kind, "422p", 4) == 0 ? SIDELIGHT_LAYOUT_I422
              : strncmp(kind, "444p", 4) == 0 ? SIDELIGHT_LAYOUT_I444
              : strncmp(kind, "440p", 4) == 0 ? SIDELIGHT_LAYOUT_I440
              : strncmp(kind, "411p", 4) == 0 ? SIDELIGHT_LAYOUT_I411
                                              : SIDELIGHT_LAYOUT_I400;
  p->bit_depth = strstr(format, "10le")   ? 10
                 : strstr(format, "12le") ? 12
                 : strstr(format, "16le") ? 16
                                          : 8;
  for (int i = 0; i < 3; i++) {
    unsigned width = p->width, height = p->height;
    if (i && p->layout == SIDELIGHT_LAYOUT_I400)
      break;
    if (i && (p->layout == SIDELIGHT_LAYOUT_I420 || p->layout == SIDELIGHT_LAYOUT_I422))
      width = (width + 1) / 2;
    if (i && p->layout == SIDELIGHT_LAYOUT_I411)
      width = (width + 3) / 4;
    if (i && (p->layout == SIDELIGHT_LAYOUT_I420 || p->layout == SIDELIGHT_LAYOUT_I440))
      height = (height + 1) / 2;
    p->stride[i] = (ptrdiff_t)width * (p->bit_depth > 8 ? 2 : 1);
    s.plane_bytes[i] = (size_t)p->stride[i] * height;
    s.bytes += s.plane_bytes[i];
  }
  return s;
}

static SidelightPicture picture_at(const Shape *s, uint8_t *data, size_t index, char type) {
  SidelightPicture p = s->picture;
  data += index * s->bytes;
  for (int i = 0; i < 3; i++) {
    p.data[i] = data;
    data += s->plane_bytes[i];
  }
  p.picture_type = type == 'P'   ? SIDELIGHT_PICTURE_TYPE_P
                   : type == 'B' ? SIDELIGHT_PICTURE_TYPE_B
                   : type == 'I' ? SIDELIGHT_PICTURE_TYPE_I
                                 : SIDELIGHT_PICTURE_TYPE_IRAP;
  return p;
}

/* ---- streams ---- */

static SidelightStream *stream_of(const uint8_t *data, size_t size) {
  SidelightStreamSettings settings = {.codec = SIDELIGHT_NAL_CODEC_HEVC};
  SidelightStream *stream = NULL;
  must("stream", sidelight_stream_open(&settings, &stream));
  must("stream", sidelight_stream_push(stream, data, size));
  return stream;
}

/* The next unit, asking for the end where there are no more. */
static int next(SidelightStream *stream, SidelightAccessUnit *unit, int *ended) {
  int result = sidelight_stream_next(stream, unit);
  must("access unit", result);
  if (result == 0 && !*ended) {
    *ended = 1;
    must("end", sidelight_stream_push(stream, NULL, 0));
    must("access unit", result = sidelight_stream_next(stream, unit));
  }
  return result;
}

/* Index in output order of each IRAP picture: they come in the same order in the stream. */
static size_t irap_index(const char *types, size_t nth) {
  for (size_t i = 0; types[i]; i++)
    if (types[i] == 'K' && nth-- == 0)
      return i;
  die("more IRAP pictures than types", 0);
  return 0;
}

static SidelightBuffer encode(const Shape *s, const char *types, uint8_t *original, uint8_t *decoded,
                              size_t first, size_t count, uint32_t steps, SidelightCodecParams params) {
  SidelightEncoderSettings settings = {0};
  SidelightEncoder *encoder = NULL;
  SidelightBuffer payload = {0};
  SidelightReport report;
  SidelightPicture *o = calloc(count, sizeof *o), *d = calloc(count, sizeof *d);
  for (size_t i = 0; i < count; i++) {
    o[i] = picture_at(s, original, first + i, types[first + i]);
    d[i] = picture_at(s, decoded, first + i, types[first + i]);
  }
  settings.threads = 1;
  settings.steps = steps;
  must("encoder", sidelight_encoder_open(&settings, &encoder));
  /* Bytes cost next to nothing here: every gain is sent. */
  params.slope_db_per_byte = 1e-9;
  must("encode", sidelight_encoder_encode(encoder, o, d, count, &params, &payload, &report));
  fprintf(stderr, "reference: mode %u, %u bytes, %.3f dB, base %.3f dB, payload %.3f dB\n", report.mode,
          report.payload_bytes, report.psnr_decoded, report.psnr_base, report.psnr_payload);
  if (report.mode == SIDELIGHT_MODE_OFF)
    die("the encoder sends nothing for this clip: nothing would be tested", 0);
  sidelight_encoder_close(&encoder);
  free(o);
  free(d);
  return payload;
}

/* Writes the stream with other payloads on its IRAP pictures. */
static void rewrite(const char *in, const char *out, SidelightBuffer *payloads, const Shape *s, const char *types,
                    uint8_t *decoded) {
  /* which of `payloads`, over and over; -1 for none */
  static const int plan[] = {0, 0, 1, -1, 0};
  size_t size, nth = 0;
  uint8_t *data = load(in, &size);
  SidelightStream *stream = stream_of(data, size);
  SidelightAccessUnit unit;
  FILE *file = fopen(out, "wb");
  int ended = 0;
  if (!file)
    die(out, 0);
  while (next(stream, &unit, &ended)) {
    int which = unit.irap ? plan[nth % (sizeof plan / sizeof *plan)] : -1;
    SidelightBuffer written = {0};
    if (which >= 0) {
      SidelightBuffer *payload = &payloads[which];
      if (decoded) {
        SidelightPicture carrier = picture_at(s, decoded, irap_index(types, nth), 'K');
        must("bind", sidelight_payload_bind(payload->data, payload->size, &carrier));
      }
      must("rewrite", sidelight_stream_rewrite(stream, payload->data, payload->size, &written));
    }
    const uint8_t *bytes = which >= 0 ? written.data : unit.data;
    size_t count = which >= 0 ? written.size : unit.size;
    if (fwrite(bytes, 1, count, file) != count)
      die(out, 0);
    sidelight_buffer_unref(&written);
    nth += unit.irap;
  }
  if (fclose(file) != 0)
    die(out, 0);
  sidelight_stream_close(&stream);
  free(data);
}

static void filter_stream(const char *in, const char *types, const Shape *s, uint8_t *decoded, size_t count,
                          const Shape *of_out, uint8_t *out, uint32_t strength, const char *base) {
  size_t size, nth = 0;
  uint8_t *data = load(in, &size);
  SidelightStream *stream = stream_of(data, size);
  SidelightAccessUnit unit;
  SidelightDecoder *decoder = NULL;
  /* for each picture its message, if it has one */
  SidelightBuffer *messages = calloc(count, sizeof *messages);
  int ended = 0;
  while (next(stream, &unit, &ended)) {
    if (unit.payload) {
      if (!unit.irap)
        die("a payload that is on no IRAP picture", 0);
      SidelightBuffer *m = &messages[irap_index(types, nth)];
      m->size = sizeof SIDELIGHT_SEI_UUID + unit.payload_size;
      m->data = malloc(m->size);
      memcpy(m->data, SIDELIGHT_SEI_UUID, sizeof SIDELIGHT_SEI_UUID);
      memcpy(m->data + sizeof SIDELIGHT_SEI_UUID, unit.payload, unit.payload_size);
    }
    nth += unit.irap;
  }
  sidelight_stream_close(&stream);
  free(data);

  SidelightDecoderSettings settings = {0};
  if (base && strstr(base, ",small"))
    settings.model_size = SIDELIGHT_MODEL_SIZE_SMALL;
  must("decoder", sidelight_decoder_open(&settings, &decoder));
  must("strength", sidelight_decoder_set_strength(decoder, strength));
  SidelightCodecParams params = {.codec = SIDELIGHT_CODEC_HEVC};
  unsigned qp[3];
  if (base) {
    if (sscanf(base, "%u,%u,%u", &qp[0], &qp[1], &qp[2]) != 3)
      die("QPs", 0);
    for (int i = 0; i < 3; i++)
      params.qp[i] = (uint8_t)qp[i];
  }
  for (size_t i = 0; i < count; i++) {
    SidelightPicture picture = picture_at(s, decoded, i, types[i]);
    SidelightPicture filtered = picture_at(of_out, out, i, types[i]);
    const uint8_t *message = messages[i].data;
    int mode = sidelight_decoder_set_sei(decoder, &picture, &message, &messages[i].size, message ? 1 : 0);
    if (mode != SIDELIGHT_ERROR_NO_PAYLOAD)
      must("payload", mode);
    else if (types[i] == 'K' && base)
      must("base", sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params));
    must("filter", sidelight_decoder_filter(decoder, &picture, &filtered));
    free(messages[i].data);
  }
  free(messages);
  sidelight_decoder_close(&decoder);
}

/* ---- JPEG ---- */

static void filter_jpeg(const char *in, const Shape *s, uint8_t *decoded, const Shape *of_out, uint8_t *out,
                        uint32_t strength, int base) {
  size_t size;
  uint8_t *jpeg = load(in, &size);
  SidelightDecoder *decoder = NULL;
  SidelightCodecParams params;
  SidelightBuffer payload = {0};
  must("codec parameters", sidelight_jpeg_read(jpeg, size, &params, NULL));
  must("decoder", sidelight_decoder_open(NULL, &decoder));
  if (base) {
    must("base", sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params));
  } else {
    must("extract", sidelight_jpeg_read(jpeg, size, NULL, &payload));
    must("payload", sidelight_decoder_set_payload(decoder, payload.data, payload.size, &params));
  }
  must("strength", sidelight_decoder_set_strength(decoder, strength));
  SidelightPicture picture = picture_at(s, decoded, 0, 'K'), filtered = picture_at(of_out, out, 0, 'K');
  must("filter", sidelight_decoder_filter(decoder, &picture, &filtered));
  sidelight_buffer_unref(&payload);
  sidelight_decoder_close(&decoder);
  free(jpeg);
}

static void code_jpeg(const char *in, const Shape *s, uint8_t *original, uint8_t *decoded, const char *out) {
  size_t size;
  uint8_t *jpeg = load(in, &size);
  SidelightCodecParams params;
  SidelightBuffer written = {0};
  must("codec parameters", sidelight_jpeg_read(jpeg, size, &params, NULL));
  SidelightBuffer payload = encode(s, "K", original, decoded, 0, 1, 30, params);
  must("insert", sidelight_jpeg_rewrite(jpeg, size, payload.data, payload.size, &written));
  save(out, written.data, written.size);
  sidelight_buffer_unref(&written);
  sidelight_buffer_unref(&payload);
  free(jpeg);
}

int main(int argc, char **argv) {
  const char *command = argc > 1 ? argv[1] : "";
  if (strcmp(command, "junk") == 0 && argc == 4) {
    uint8_t nonsense[2][40];
    SidelightBuffer payloads[2];
    for (int i = 0; i < 2; i++) {
      for (int j = 0; j < 40; j++)
        nonsense[i][j] = (uint8_t)(j * 37 + i * 101);
      nonsense[i][0] = 2;
      payloads[i] = (SidelightBuffer){nonsense[i], 40};
    }
    rewrite(argv[2], argv[3], payloads, NULL, NULL, NULL);
    return 0;
  }

  int code = strcmp(command, "code") == 0 && argc == 9;
  int filter = strcmp(command, "filter") == 0 && (argc == 8 || argc == 9);
  if (!code && !filter)
    die("usage", 0);
  int jpeg = is_jpeg(argv[2]);
  /* FORMAT, or FORMAT:FORMAT-OF-OUTPUT:STRENGTH */
  Shape s = shape_of(strtok(argv[4], ":"), argv[5]), of_out = s;
  const char *more = strtok(NULL, ":"), *strength = strtok(NULL, ":");
  if (more)
    of_out = shape_of(more, argv[5]);
  size_t types_size, size, decoded_size;
  char *types = jpeg ? strdup("K") : (char *)load(argv[3], &types_size);
  types[strcspn(types, "\n")] = 0;
  size_t count = strlen(types);
  uint8_t *decoded = load(argv[code ? 7 : 6], &decoded_size);
  if (decoded_size != count * s.bytes || count < 1)
    die("the decoded pictures are not as many as the types", 0);
  if (code) {
    uint8_t *original = load(argv[6], &size);
    if (size != decoded_size)
      die("original and decoded differ in size", 0);
    if (jpeg) {
      code_jpeg(argv[2], &s, original, decoded, argv[8]);
    } else {
      SidelightCodecParams params = {.codec = SIDELIGHT_CODEC_HEVC, .qp = {32, 35, 37}};
      SidelightBuffer payloads[2];
      payloads[0] = encode(&s, types, original, decoded, 0, 6, 30, params);
      payloads[1] = encode(&s, types, original, decoded, count - 6, 6, 40, params);
      if (payloads[0].size == payloads[1].size && !memcmp(payloads[0].data, payloads[1].data, payloads[0].size))
        die("both payloads are the same", 0);
      rewrite(argv[2], argv[8], payloads, &s, types, decoded);
      sidelight_buffer_unref(&payloads[0]);
      sidelight_buffer_unref(&payloads[1]);
    }
    free(original);
  } else {
    uint8_t *out = malloc(count * of_out.bytes);
    uint32_t n = strength ? (uint32_t)atoi(strength) : SIDELIGHT_FULL_STRENGTH;
    const char *base = argc == 9 ? argv[8] : NULL;
    if (jpeg)
      filter_jpeg(argv[2], &s, decoded, &of_out, out, n, base != NULL);
    else
      filter_stream(argv[2], types, &s, decoded, count, &of_out, out, n, base);
    save(argv[7], out, count * of_out.bytes);
    free(out);
  }
  free(decoded);
  free(types);
  return 0;
}

/* What tests/real's scripts do with the library; they build it and read what it prints: lines "KEY<tab>VALUE".
 *
 *   real jpeg IN.jpg OUT.jpg        reads IN, writes it with a payload to OUT, takes that out again, filters the planes
 *   real usable IN.jpg              whether a decoder takes IN's payload
 *   real stream CODEC IN OUT        reads a byte stream, writes it with payloads to OUT, takes them out again
 *   real luma IN.jpg ORIGINAL LUMA  PSNR-Y of LUMA (PGM, or PPM of which luma is taken), as another decoder made it of
 *                                   IN: as it is, filtered by the base model, and filtered of the accurate transform;
 *                                   share of samples that differ, the largest difference, and the check's answer */
#include "jpeg_planes.h"

#include <stdlib.h>
#include <string.h>

static char reason[200];

static void keep_log(void *user, uint32_t level, const char *message) {
  (void)user;
  (void)level;
  snprintf(reason, sizeof reason, "%s", message);
}

/* The log says more than the result only of an invalid argument. */
static void say(const char *key, int result) {
  if (result >= 0)
    printf("%s\tyes\n", key);
  else
    printf("%s\trefused: %s\n", key, result == SIDELIGHT_ERROR_INVALID_ARGUMENT ? reason : sidelight_strerror(result));
}

static int same(const SidelightBuffer *a, const uint8_t *data, size_t size) {
  return a->size == size && memcmp(a->data, data, size) == 0;
}

/* A payload that is bound as `params` say and asks for no filtering: what it was made from is not in it. */
static int make_payload(const SidelightCodecParams *params, SidelightBuffer *payload) {
  uint8_t samples[16 * 16] = {0};
  SidelightPicture gray = {.data = {samples}, .stride = {16}, .width = 16, .height = 16, .bit_depth = 8};
  SidelightEncoderSettings settings = {.no_update = 1, .threads = 1};
  SidelightEncoder *encoder = NULL;
  int result = sidelight_encoder_open(&settings, &encoder);
  if (result >= 0)
    result = sidelight_encoder_encode(encoder, &gray, &gray, 1, params, payload, NULL);
  sidelight_encoder_close(&encoder);
  return result;
}

static int usable(const uint8_t *jpeg, size_t size) {
  SidelightCodecParams params;
  SidelightBuffer payload = {0};
  SidelightDecoder *decoder = NULL;
  int result = sidelight_jpeg_read(jpeg, size, &params, &payload);
  if (result == 0)
    result = SIDELIGHT_ERROR_NO_PAYLOAD;
  if (result > 0)
    result = sidelight_decoder_open(NULL, &decoder);
  if (result >= 0)
    result = sidelight_decoder_set_payload(decoder, payload.data, payload.size, &params);
  sidelight_buffer_unref(&payload);
  sidelight_decoder_close(&decoder);
  return result;
}

/* Filters with the base model. */
static int filter(const Planes *decoded, const SidelightCodecParams *params, Planes *filtered) {
  SidelightDecoderSettings settings = {.threads = 1};
  SidelightDecoder *decoder = NULL;
  int result = sidelight_decoder_open(&settings, &decoder);
  if (result >= 0)
    result = sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, params);
  if (result >= 0)
    result = planes_like(decoded, filtered) ? 0 : SIDELIGHT_ERROR_OUT_OF_MEMORY;
  if (result >= 0)
    result = sidelight_decoder_filter(decoder, &decoded->picture, &filtered->picture);
  sidelight_decoder_close(&decoder);
  return result;
}

static int jpeg(const char *in, const char *out) {
  size_t size = 0;
  uint8_t *data = file_read(in, &size);
  SidelightCodecParams params = {.codec = SIDELIGHT_CODEC_JPEG};
  SidelightBuffer payload = {0}, without = {0}, with = {0}, removed = {0};
  Planes decoded = {0}, filtered = {0};
  if (!data)
    return EXIT_FAILURE;

  int read = sidelight_jpeg_read(data, size, &params, NULL);
  say("read", read);
  for (int k = 0; read < 0 && k < 64; k++)
    params.quant[0][k] = 1;
  int result = make_payload(&params, &payload);
  if (result < 0) {
    fprintf(stderr, "no payload: %s\n", sidelight_strerror(result));
    return EXIT_FAILURE;
  }

  /* What a file has already goes first. */
  result = sidelight_jpeg_rewrite(data, size, NULL, 0, &without);
  if (result == SIDELIGHT_ERROR_CONFLICT)
    result = sidelight_jpeg_rewrite_anyway(data, size, NULL, 0, &without);
  if (result >= 0)
    result = sidelight_jpeg_rewrite(without.data, without.size, payload.data, payload.size, &with);
  say("insert", result);
  if (result == SIDELIGHT_ERROR_CONFLICT) {
    result = sidelight_jpeg_rewrite_anyway(without.data, without.size, payload.data, payload.size, &with);
    say("insert anyway", result);
  }
  if (result >= 0) {
    /* `anyway`: that taking it out again mends what putting it in broke, the library can't know. */
    result = sidelight_jpeg_rewrite_anyway(with.data, with.size, NULL, 0, &removed);
    printf("removed\t%s\n", result < 0 ? sidelight_strerror(result)
                            : same(&removed, without.data, without.size) ? "same bytes" : "OTHER BYTES");
    if (read >= 0)
      say("payload", usable(with.data, with.size));
    if (!file_write(out, with.data, with.size))
      return EXIT_FAILURE;
  }

  if (read < 0) {
    puts("filter\tnot read");
  } else if (jpeg_decode_planes("planes", data, size, &decoded)) {
    result = sidelight_jpeg_check_planes(data, size, &decoded.picture);
    if (result == 0)
      puts("planes\taccurate");
    else if (result > 0)
      printf("planes\tOTHER: by up to %d\n", result);
    else
      say("planes", result);
    say("filter", filter(&decoded, &params, &filtered));
  } else {
    puts("filter\tno planes");
  }
  planes_free(&decoded);
  planes_free(&filtered);
  sidelight_buffer_unref(&payload);
  sidelight_buffer_unref(&without);
  sidelight_buffer_unref(&with);
  sidelight_buffer_unref(&removed);
  free(data);
  return EXIT_SUCCESS;
}

/* ---- streams ---- */

/* Passes a stream through the reader in pieces, with `payload` (or without any) in the units where decoding can start,
 * and counts them. `out` is NULL if the units are to stay as they are. */
static int pass(uint32_t codec, const uint8_t *data, size_t size, const SidelightBuffer *payload, FILE *out,
                size_t *units, size_t *bytes, size_t *payloads) {
  enum { PIECE = 65521 };
  SidelightStreamSettings settings = {.codec = codec};
  SidelightStream *stream = NULL;
  int result = sidelight_stream_open(&settings, &stream);
  *units = *bytes = *payloads = 0;
  for (size_t at = 0, ended = 0; result >= 0 && !ended; at += PIECE) {
    size_t n = at >= size ? 0 : size - at < PIECE ? size - at : PIECE;
    ended = n == 0;
    result = sidelight_stream_push(stream, data + (n ? at : 0), n);
    SidelightAccessUnit unit;
    while (result >= 0 && (result = sidelight_stream_next(stream, &unit)) > 0) {
      *units += 1;
      *bytes += unit.size;
      *payloads += unit.payloads;
      if (!out)
        continue;
      int change = unit.has_picture && (payload ? unit.irap : unit.payloads);
      SidelightBuffer changed = {.data = (uint8_t *)unit.data, .size = unit.size};
      if (change)
        result = sidelight_stream_rewrite(stream, payload ? payload->data : NULL, payload ? payload->size : 0,
                                          &changed);
      if (result >= 0 && fwrite(changed.data, 1, changed.size, out) != changed.size)
        result = SIDELIGHT_ERROR_INTERNAL;
      if (change && result >= 0)
        sidelight_buffer_unref(&changed);
    }
  }
  sidelight_stream_close(&stream);
  return result;
}

static int stream(const char *name, const char *in, const char *out) {
  uint32_t codec = strcmp(name, "h264") == 0   ? SIDELIGHT_NAL_CODEC_H264
                   : strcmp(name, "hevc") == 0 ? SIDELIGHT_NAL_CODEC_HEVC
                                               : SIDELIGHT_NAL_CODEC_VVC;
  uint8_t bytes_of_payload[40] = {1};
  SidelightBuffer payload = {.data = bytes_of_payload, .size = sizeof bytes_of_payload};
  size_t size = 0, with_size = 0, units, bytes, payloads;
  uint8_t *data = file_read(in, &size);
  if (!data)
    return EXIT_FAILURE;

  int result = pass(codec, data, size, NULL, NULL, &units, &bytes, &payloads);
  say("read", result);
  if (result < 0)
    return EXIT_SUCCESS;
  printf("units\t%s\n", bytes == size ? "all bytes" : "OTHER BYTES");
  if (payloads)
    puts("has payloads\tyes");

  FILE *file = fopen(out, "wb");
  if (!file)
    return EXIT_FAILURE;
  result = pass(codec, data, size, &payload, file, &units, &bytes, &payloads);
  fclose(file);
  say("insert", result);
  uint8_t *with = file_read(out, &with_size);
  if (result < 0 || !with)
    return with ? EXIT_SUCCESS : EXIT_FAILURE;

  char *removed = NULL, *without = NULL;
  size_t removed_size = 0, without_size = 0;
  file = open_memstream(&removed, &removed_size);
  result = pass(codec, with, with_size, NULL, file, &units, &bytes, &payloads);
  fclose(file);
  printf("payload\t%s\n", payloads ? "yes" : "no picture where decoding can start");
  file = open_memstream(&without, &without_size);
  pass(codec, data, size, NULL, file, &units, &bytes, &payloads);
  fclose(file);
  printf("removed\t%s\n", result < 0 ? sidelight_strerror(result)
                          : removed_size == without_size && memcmp(removed, without, without_size) == 0
                              ? "same bytes"
                              : "OTHER BYTES");
  free(removed);
  free(without);
  free(with);
  free(data);
  return EXIT_SUCCESS;
}

/* ---- other decoders ---- */

static int luma(const char *in, const char *original_name, const char *luma_name) {
  size_t size = 0, differ = 0;
  int largest = 0;
  uint8_t *data = file_read(in, &size);
  SidelightCodecParams params;
  Image image, other_image;
  Planes accurate = {0}, original = {0}, other = {0}, filtered = {0}, other_filtered = {0};
  if (!data || !image_read(original_name, &image) || !image_read(luma_name, &other_image) ||
      !jpeg_decode_planes(in, data, size, &accurate) || sidelight_jpeg_read(data, size, &params, NULL) < 0)
    return EXIT_FAILURE;
  const SidelightPicture *p = &accurate.picture;
  if (other_image.width != p->width || other_image.height != p->height || image.width != p->width ||
      image.height != p->height || !planes_from_image(&image, (int)p->layout, &original) ||
      !planes_from_image(&other_image, SIDELIGHT_LAYOUT_I444, &other))
    return EXIT_FAILURE;
  for (uint32_t y = 0; y < p->height; y++)
    for (uint32_t x = 0; x < p->width; x++) {
      int d = abs(((uint8_t *)p->data[0])[(ptrdiff_t)y * p->stride[0] + x] -
                  ((uint8_t *)other.picture.data[0])[(ptrdiff_t)y * other.picture.stride[0] + x]);
      differ += d != 0;
      largest = d > largest ? d : largest;
    }
  /* Chroma is the accurate transform's: luma is what is measured. */
  Planes mixed = accurate;
  mixed.picture.data[0] = other.picture.data[0];
  mixed.picture.stride[0] = other.picture.stride[0];
  int check = sidelight_jpeg_check_planes(data, size, &mixed.picture);
  if (check < 0 || filter(&accurate, &params, &filtered) < 0 || filter(&mixed, &params, &other_filtered) < 0)
    return EXIT_FAILURE;
  printf("%.4f %.4f %.4f %.4f %d %d\n", psnr_luma(&original.picture, &mixed.picture),
         psnr_luma(&original.picture, &other_filtered.picture), psnr_luma(&original.picture, &filtered.picture),
         (double)differ / p->width / p->height, largest, check);
  planes_free(&accurate);
  planes_free(&original);
  planes_free(&other);
  planes_free(&filtered);
  planes_free(&other_filtered);
  image_free(&image);
  image_free(&other_image);
  free(data);
  return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  sidelight_set_log_callback(keep_log, NULL);
  if (argc == 4 && strcmp(argv[1], "jpeg") == 0)
    return jpeg(argv[2], argv[3]);
  if (argc == 5 && strcmp(argv[1], "stream") == 0)
    return stream(argv[2], argv[3], argv[4]);
  if (argc == 3 && strcmp(argv[1], "usable") == 0) {
    size_t size = 0;
    uint8_t *data = file_read(argv[2], &size);
    if (!data)
      return EXIT_FAILURE;
    say("payload", usable(data, size));
    free(data);
    return EXIT_SUCCESS;
  }
  if (argc == 5 && strcmp(argv[1], "luma") == 0)
    return luma(argv[2], argv[3], argv[4]);
  fputs("usage: real jpeg IN OUT | real usable IN | real stream h264|hevc|vvc IN OUT | real luma IN ORIGINAL LUMA\n",
        stderr);
  return EXIT_FAILURE;
}

/* Codes a picture as JPEG, lets Sidelight adapt to it, and writes the JPEG with the payload in it.
 *
 *   jpeg_encode [options] IN.png|ppm|- OUT.jpg|-
 *
 * The JPEG gets the ICC profile and EXIF of a PNG. Any JPEG decoder shows the file as if the payload was not
 * there; jpeg_decode shows it better. */
#include "command_line.h"
#include "jpeg_coefficients.h"
#include "jpeg_planes.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Options {
  JpegOptions jpeg;
  SidelightEncoderSettings encoder;
  SidelightOptimiseSettings optimiser;
  const char *coded; /* a JPEG file of the picture, or NULL */
  int optimise;      /* rounds of optimising and adapting */
  int no_payload;
  int verbose;
  const char *in, *out;
} Options;

static const char usage[] =
    "usage: jpeg_encode [options] IN.png|ppm|- OUT.jpg|-\n"
    "  --quality Q                      JPEG quality, 1..100 (default 75)\n"
    "  --no-update                      no training: ask for the base model at most\n"
    "  --no-payload                     write the JPEG alone\n"
    "  --model-size small|medium|large  of the base model (default medium)\n"
    "  --threads N                      threads, 0 = one for each core (default 0)\n"
    "  --sampling 420|422|444|440|411   chroma sampling of colour pictures (default 420)\n"
    "  --progressive                    write a progressive JPEG\n"
    "  --tables standard|half|flat      quantisation tables (default standard); the flatter, the better for PSNR\n"
    "  --jpeg FILE                      take this JPEG file of the picture instead of coding it; its metadata stay\n"
    "  --optimise[=N]                   choose coefficients for the filter, at effort N, 1 to 9 (default 5)\n"
    "  --rounds N                       optimise and adapt up to N times, each for the other's last result\n"
    "                                   (1 to 9, default 1)\n"
    "  --strength X                     of --optimise: weight of bits, 0.05 to 20 (default 0.6)\n"
    "  --decoded-weight X               of --optimise: weight of the picture without filter, 0 to 100\n"
    "                                   (default 0.2)\n"
    "  --effort N                       what training may cost, 1 to 9 (default 5)\n"
    "  --steps N                        training steps, 0 = by effort and size (default 0)\n"
    "  --objective rate-distortion|published\n"
    "                                   what is trained (default rate-distortion); published, for\n"
    "                                   comparison, as in arXiv 1905.04079\n"
    "  --verbose                        print the library's log\n";

static int parse(int argc, char **argv, Options *o);

static void print_log(void *user, uint32_t level, const char *message) {
  (void)user;
  (void)level;
  fprintf(stderr, "%s\n", message);
}

/* What a byte buys in JPEG here, in dB of luma PSNR: the picture coded at a neighbouring quality
 * tells. 0 if it can't be told. */
static double slope(const Image *image, const Options *o, const Planes *original, size_t size,
                    double psnr) {
  JpegOptions neighbour = o->jpeg;
  neighbour.quality += neighbour.quality <= 97 ? 3 : -3;
  uint8_t *jpeg = NULL;
  size_t other_size = 0;
  Planes decoded;
  double result = 0;
  if (!jpeg_code(image, &neighbour, &jpeg, &other_size))
    return 0;
  if (jpeg_decode_planes("neighbouring quality", jpeg, other_size, &decoded)) {
    double gain = psnr_luma(&original->picture, &decoded.picture) - psnr;
    result = gain / ((double)other_size - (double)size);
    planes_free(&decoded);
  }
  free(jpeg);
  return isfinite(result) && result > 0 ? result : 0;
}

/* The heart of the example: from the original and the coded picture to a file with a payload. */
static int adapt(const Image *image, const Options *o, const Planes *original, const uint8_t *jpeg, size_t size,
                 SidelightBuffer *out, SidelightReport *report) {
  Planes decoded = {0};
  SidelightCodecParams params;
  SidelightEncoder *encoder = NULL;
  SidelightBuffer payload = {0};
  int result = SIDELIGHT_ERROR_OUT_OF_MEMORY;

  if (!jpeg_decode_planes("coded picture", jpeg, size, &decoded))
    goto done;

  if ((result = sidelight_jpeg_read(jpeg, size, &params, NULL)) < 0)
    goto done;
  /* Of an optimised picture the neighbouring quality tells nothing. */
  double psnr = psnr_luma(&original->picture, &decoded.picture);
  if (!o->encoder.no_update && !o->coded && !o->optimise)
    params.slope_db_per_byte = slope(image, o, original, size, psnr);

  if ((result = sidelight_encoder_open(&o->encoder, &encoder)) < 0)
    goto done;
  result = sidelight_encoder_encode(encoder, &original->picture, &decoded.picture, 1, &params, &payload,
                                    report);
  if (result < 0)
    goto done;
  /* A file without a payload is shown as it is: "off" need not be sent. */
  if (report->mode == SIDELIGHT_MODE_OFF) {
    report->payload_bytes = 0;
    sidelight_buffer_unref(&payload);
  }
  result = sidelight_jpeg_rewrite(jpeg, size, payload.data, payload.size, out);

done:
  sidelight_buffer_unref(&payload);
  sidelight_encoder_close(&encoder);
  planes_free(&decoded);
  return result;
}

/* What a file with a payload is worth, in dB; compared with others of the picture. */
static double worth(const SidelightReport *r, size_t size, double slope_db_per_byte) {
  const double *chroma = r->psnr_chroma_payload;
  double psnr = chroma[0] > 0 ? (6 * r->psnr_payload + chroma[0] + chroma[1]) / 8 : r->psnr_payload;
  return psnr - slope_db_per_byte * (double)size;
}

/* Optimises `*jpeg` for the payload in `file`, or without one for a base model, and tells how it went. */
static int optimise(const Options *o, const Planes *original, const SidelightBuffer *file, uint8_t **jpeg,
                    size_t *size, FILE *summary) {
  SidelightOptimiseReport r;
  SidelightBuffer payload = {0};
  uint8_t *better = NULL;
  size_t better_size = 0;
  if (file && sidelight_jpeg_read(file->data, file->size, NULL, &payload) < 0)
    return 0;
  int ok = jpeg_optimise(o->in, *jpeg, *size, original, &o->optimiser, payload.data ? &payload : NULL, &better,
                         &better_size, &r);
  sidelight_buffer_unref(&payload);
  if (!ok)
    return 0;
  fprintf(summary, "optimised: JPEG %zu to %zu bytes, PSNR-Y %.3f to %.3f JPEG, %.3f to %.3f filtered\n", *size,
          better_size, r.psnr_decoded[0][0], r.psnr_decoded[1][0], r.psnr_filtered[0][0], r.psnr_filtered[1][0]);
  free(*jpeg);
  *jpeg = better;
  *size = better_size;
  return 1;
}

/* Rounds of optimising `*jpeg` and adapting to it; the best file goes to `out`, its JPEG to `*jpeg`. */
static int rounds(const Image *image, const Options *o, const Planes *original, uint8_t **jpeg, size_t *size,
                  SidelightBuffer *out, SidelightReport *report, FILE *summary) {
  int result = 0;
  for (int round = 0; round < (o->optimise ? o->optimise : 1); round++) {
    size_t new_size = *size;
    uint8_t *new = malloc(new_size);
    SidelightBuffer file = {0};
    SidelightReport r;
    if (!new)
      return SIDELIGHT_ERROR_OUT_OF_MEMORY;
    memcpy(new, *jpeg, new_size);
    result = SIDELIGHT_ERROR_INVALID_ARGUMENT;
    if (!o->optimise || optimise(o, original, round ? out : NULL, &new, &new_size, summary))
      result = adapt(image, o, original, new, new_size, &file, &r);
    if (result < 0) {
      free(new);
      return result;
    }
    double slope = round ? report->slope_db_per_byte : r.slope_db_per_byte;
    if (round && worth(&r, file.size, slope) <= worth(report, out->size, slope)) {
      sidelight_buffer_unref(&file);
      free(new);
      break;
    }
    sidelight_buffer_unref(out);
    free(*jpeg);
    *out = file;
    *report = r;
    *jpeg = new;
    *size = new_size;
  }
  return result;
}

/* The picture's JPEG file, as it is before it is optimised. */
static int read_or_code(const Image *image, const Options *o, uint8_t **jpeg, size_t *size) {
  if (!o->coded)
    return jpeg_code(image, &o->jpeg, jpeg, size);
  *jpeg = file_read(o->coded, size);
  return *jpeg != NULL;
}

/* The original's planes, sampled as the file's are. */
static int original_planes(const Image *image, const Options *o, const uint8_t *jpeg, size_t size,
                           Planes *original) {
  Planes decoded;
  if (!jpeg_decode_planes(o->coded ? o->coded : "coded picture", jpeg, size, &decoded))
    return 0;
  const SidelightPicture *p = &decoded.picture;
  int ok = p->width == image->width && p->height == image->height &&
           (image->channels == 1) == (p->layout == SIDELIGHT_LAYOUT_I400);
  if (ok)
    ok = planes_from_image(image, (int)p->layout, original);
  else
    fprintf(stderr, "%s: not of the size or the number of components of %s\n", o->coded, o->in);
  planes_free(&decoded);
  return ok;
}

int main(int argc, char **argv) {
  Options o;
  Image image = {0};
  Planes original = {0};
  uint8_t *jpeg = NULL;
  size_t size = 0;
  SidelightBuffer out = {0};
  int status = EXIT_FAILURE;

  if (!parse(argc, argv, &o))
    return EXIT_FAILURE;
  /* Standard output may be where the picture goes. */
  FILE *summary = output_is_regular(o.out) ? stdout : stderr;
  if (o.verbose)
    sidelight_set_log_callback(print_log, NULL);
  double start = now();
  if (!image_read(o.in, &image) || !read_or_code(&image, &o, &jpeg, &size) ||
      !original_planes(&image, &o, jpeg, size, &original))
    goto done;

  if (o.no_payload) {
    if (o.optimise && !optimise(&o, &original, NULL, &jpeg, &size, summary))
      goto done;
    /* One that --jpeg's file has is not for these coefficients. */
    int without = sidelight_jpeg_rewrite(jpeg, size, NULL, 0, &out);
    if (without < 0) {
      fprintf(stderr, "%s: %s\n", o.in, sidelight_strerror(without));
      goto done;
    }
    if (file_write(o.out, out.data, out.size)) {
      fprintf(summary, "off: JPEG %zu bytes, no payload\n", out.size);
      status = printed(summary) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    goto done;
  }

  SidelightReport report = {0};
  int result = rounds(&image, &o, &original, &jpeg, &size, &out, &report, summary);
  if (result < 0) {
    fprintf(stderr, "%s: %s\n", o.in, sidelight_strerror(result));
    goto done;
  }
  if (!file_write(o.out, out.data, out.size))
    goto done;
  fprintf(summary, "%s: JPEG %zu bytes, payload %u, PSNR-Y %.3f JPEG, %.3f base, %.3f sent, %.2f s\n",
         mode_name((int)report.mode), size, report.payload_bytes, report.psnr_decoded, report.psnr_base,
         report.psnr_payload, now() - start);
  status = printed(summary) ? EXIT_SUCCESS : EXIT_FAILURE;

done:
  sidelight_buffer_unref(&out);
  planes_free(&original);
  free(jpeg);
  image_free(&image);
  return status;
}

static int parse_sampling(const char *text, int *layout) {
  static const struct {
    const char *name;
    int layout;
  } all[] = {
      {"420", SIDELIGHT_LAYOUT_I420}, {"422", SIDELIGHT_LAYOUT_I422}, {"444", SIDELIGHT_LAYOUT_I444},
      {"440", SIDELIGHT_LAYOUT_I440}, {"411", SIDELIGHT_LAYOUT_I411},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (strcmp(text, all[i].name) == 0) {
      *layout = all[i].layout;
      return 1;
    }
  }
  return 0;
}

static int parse(int argc, char **argv, Options *o) {
  static const struct option options[] = {
      {"quality", required_argument, NULL, 'q'},  {"no-update", no_argument, NULL, 'b'},
      {"threads", required_argument, NULL, 't'},  {"sampling", required_argument, NULL, 's'},
      {"progressive", no_argument, NULL, 'p'},    {"steps", required_argument, NULL, 'n'},
      {"verbose", no_argument, NULL, 'v'},        {"help", no_argument, NULL, 'h'},
      {"effort", required_argument, NULL, 'e'},   {"no-payload", no_argument, NULL, 'o'},
      {"model-size", required_argument, NULL, 'l'}, {"objective", required_argument, NULL, 'j'},
      {"tables", required_argument, NULL, 'T'},     {"jpeg", required_argument, NULL, 'J'},
      {"optimise", optional_argument, NULL, 'O'},   {"rounds", required_argument, NULL, 'r'},
      {"strength", required_argument, NULL, 'S'},   {"decoded-weight", required_argument, NULL, 'D'},
      {NULL, 0, NULL, 0},
  };
  memset(o, 0, sizeof *o);
  o->jpeg.quality = 75;
  o->jpeg.layout = SIDELIGHT_LAYOUT_I420;
  int c;
  long n;
  while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
    int ok = 1;
    switch (c) {
    case 'q':
      ok = parse_number(optarg, 1, 100, &n);
      o->jpeg.quality = (int)n;
      break;
    case 'b':
      o->encoder.no_update = 1;
      break;
    case 'o':
      o->no_payload = 1;
      break;
    case 't':
      ok = parse_number(optarg, 0, 256, &n);
      o->encoder.threads = o->optimiser.threads = (uint32_t)n;
      break;
    case 's':
      ok = parse_sampling(optarg, &o->jpeg.layout);
      break;
    case 'l':
      ok = parse_model_size(optarg, &o->encoder.model_size);
      o->optimiser.model_size = o->encoder.model_size;
      break;
    case 'T':
      if (strcmp(optarg, "half") == 0)
        o->jpeg.tables = JPEG_TABLES_HALF;
      else if (strcmp(optarg, "flat") == 0)
        o->jpeg.tables = JPEG_TABLES_FLAT;
      else
        ok = strcmp(optarg, "standard") == 0;
      break;
    case 'J':
      o->coded = optarg;
      break;
    case 'O':
      n = 0;
      ok = !optarg || parse_number(optarg, 1, 9, &n);
      o->optimiser.effort = (uint32_t)n;
      o->optimise = o->optimise ? o->optimise : 1;
      break;
    case 'r':
      ok = parse_number(optarg, 1, 9, &n);
      o->optimise = (int)n;
      break;
    case 'S':
      ok = parse_real(optarg, 0.05, 20, &o->optimiser.strength);
      break;
    case 'D':
      ok = parse_real(optarg, 0, 100, &o->optimiser.decoded_weight);
      /* 0 stands for the default. */
      if (ok && o->optimiser.decoded_weight == 0)
        o->optimiser.decoded_weight = -1;
      break;
    case 'p':
      o->jpeg.progressive = 1;
      break;
    case 'e':
      ok = parse_number(optarg, 1, 9, &n);
      o->encoder.effort = (uint32_t)n;
      break;
    case 'n':
      ok = parse_number(optarg, 0, 100000, &n);
      o->encoder.steps = (uint32_t)n;
      break;
    case 'j':
      if (strcmp(optarg, "published") == 0)
        o->encoder.objective = SIDELIGHT_OBJECTIVE_PUBLISHED;
      else if (strcmp(optarg, "rate-distortion") == 0)
        o->encoder.objective = SIDELIGHT_OBJECTIVE_RATE_DISTORTION;
      else
        ok = 0;
      break;
    case 'v':
      o->verbose = 1;
      break;
    case 'h':
      fputs(usage, stdout);
      exit(EXIT_SUCCESS);
    default:
      fputs(usage, stderr);
      return 0;
    }
    if (!ok) {
      fprintf(stderr, "jpeg_encode: bad value '%s'\n%s", optarg, usage);
      return 0;
    }
  }
  if (argc - optind != 2) {
    fputs(usage, stderr);
    return 0;
  }
  o->in = argv[optind];
  o->out = argv[optind + 1];
  if (o->coded && is_standard(o->coded) && is_standard(o->in)) {
    fprintf(stderr, "jpeg_encode: of IN and --jpeg's file one can be standard input\n");
    return 0;
  }
  return 1;
}

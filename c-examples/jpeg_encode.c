/* Codes a picture as JPEG, lets Sidelight adapt to it, and writes the JPEG with the payload in it.
 *
 *   jpeg_encode [options] IN.png|ppm OUT.jpg
 *
 * Any JPEG decoder shows the file as if the payload was not there; jpeg_decode shows it better. */
#include "command_line.h"
#include "jpeg_planes.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Options {
  JpegOptions jpeg;
  SidelightEncoderSettings encoder;
  int no_payload;
  int verbose;
  const char *in, *out;
} Options;

static const char usage[] =
    "usage: jpeg_encode [options] IN.png|ppm OUT.jpg\n"
    "  --quality Q                      JPEG quality, 1..100 (default 75)\n"
    "  --no-update                      no training: ask for the base model at most\n"
    "  --no-payload                     write the JPEG alone\n"
    "  --model-size small|medium|large  of the base model (default medium)\n"
    "  --threads N                      threads, 0 = one for each core (default 0)\n"
    "  --sampling 420|422|444           chroma sampling of colour pictures (default 420)\n"
    "  --progressive                    write a progressive JPEG\n"
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
static int adapt(const Image *image, const Options *o, const uint8_t *jpeg, size_t size,
                 SidelightBuffer *out, SidelightReport *report) {
  Planes original = {0}, decoded = {0};
  SidelightCodecParams params;
  SidelightEncoder *encoder = NULL;
  SidelightBuffer payload = {0};
  int result = SIDELIGHT_ERROR_OUT_OF_MEMORY;

  if (!jpeg_decode_planes("coded picture", jpeg, size, &decoded) ||
      !planes_from_image(image, (int)decoded.picture.layout, &original))
    goto done;

  if ((result = sidelight_jpeg_read(jpeg, size, &params, NULL)) < 0)
    goto done;
  double psnr = psnr_luma(&original.picture, &decoded.picture);
  if (!o->encoder.no_update)
    params.slope_db_per_byte = slope(image, o, &original, size, psnr);

  if ((result = sidelight_encoder_open(&o->encoder, &encoder)) < 0)
    goto done;
  result = sidelight_encoder_encode(encoder, &original.picture, &decoded.picture, 1, &params, &payload,
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
  planes_free(&original);
  return result;
}

int main(int argc, char **argv) {
  Options o;
  Image image = {0};
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
  if (!image_read(o.in, &image) || !jpeg_code(&image, &o.jpeg, &jpeg, &size))
    goto done;

  if (o.no_payload) {
    if (file_write(o.out, jpeg, size)) {
      fprintf(summary, "off: JPEG %zu bytes, no payload\n", size);
      status = printed(summary) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    goto done;
  }

  SidelightReport report;
  int result = adapt(&image, &o, jpeg, size, &out, &report);
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
  free(jpeg);
  image_free(&image);
  return status;
}

static int parse(int argc, char **argv, Options *o) {
  static const struct option options[] = {
      {"quality", required_argument, NULL, 'q'},  {"no-update", no_argument, NULL, 'b'},
      {"threads", required_argument, NULL, 't'},  {"sampling", required_argument, NULL, 's'},
      {"progressive", no_argument, NULL, 'p'},    {"steps", required_argument, NULL, 'n'},
      {"verbose", no_argument, NULL, 'v'},        {"help", no_argument, NULL, 'h'},
      {"effort", required_argument, NULL, 'e'},   {"no-payload", no_argument, NULL, 'o'},
      {"model-size", required_argument, NULL, 'l'}, {"objective", required_argument, NULL, 'j'},
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
      o->encoder.threads = (uint32_t)n;
      break;
    case 's':
      if (strcmp(optarg, "444") == 0)
        o->jpeg.layout = SIDELIGHT_LAYOUT_I444;
      else if (strcmp(optarg, "422") == 0)
        o->jpeg.layout = SIDELIGHT_LAYOUT_I422;
      else
        ok = strcmp(optarg, "420") == 0;
      break;
    case 'l':
      ok = parse_model_size(optarg, &o->encoder.model_size);
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
  return 1;
}

/* Decodes a JPEG with stock libjpeg-turbo and filters it as its payload asks.
 *
 *   jpeg_decode [options] IN.jpg|- OUT.png|ppm|y4m|-
 *
 * A PNG gets the file's ICC profile and EXIF.
 *
 * Whatever is wrong with the payload, the picture comes out: unfiltered, with a message. Where the JPEG
 * itself is damaged, what could be decoded comes out, and the status is 2, as djpeg's. */
#include "command_line.h"
#include "jpeg_metadata.h"
#include "jpeg_planes.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct Options {
  int mode; /* a SidelightMode, or -1: the payload decides */
  SidelightDecoderSettings decoder;
  int format; /* FORMAT_..., or -1: as the name says */
  const char *in, *out;
} Options;

static const char usage[] =
    "usage: jpeg_decode [options] IN.jpg|- OUT.png|ppm|y4m|-\n"
    "  --mode off|base|update           off: as decoded; base: the base model that fits the tables, whatever\n"
    "                                   the payload says; update: as that says, unfiltered without one (default)\n"
    "  --model-size small|medium|large  of the base model in --mode base (default medium)\n"
    "  --format png|ppm|y4m             of OUT (default: by its name; png to standard output); a PNG gets the\n"
    "                                   file's ICC profile and EXIF\n"
    "  --threads N                      threads, 0 = one for each core (default 0)\n";

static int parse(int argc, char **argv, Options *o);

/* Sets the decoder as the options and the file's payload ask, and returns the SidelightMode in force.
 * Problems are told, and leave the picture unfiltered. */
static int choose(SidelightDecoder *decoder, const Options *o, const uint8_t *jpeg, size_t size) {
  SidelightCodecParams params;
  SidelightBuffer payload = {0};
  if (o->mode == SIDELIGHT_MODE_OFF)
    return SIDELIGHT_MODE_OFF;
  int base = o->mode == SIDELIGHT_MODE_BASE;
  int result = sidelight_jpeg_read(jpeg, size, &params, base ? NULL : &payload);
  if (base && result >= 0)
    result = sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params);
  else if (result > 0)
    result = sidelight_decoder_set_payload(decoder, payload.data, payload.size, &params);
  else if (result == 0)
    fprintf(stderr, "sidelight: no payload in the file; picture is unfiltered\n");
  sidelight_buffer_unref(&payload);
  if (result < 0) {
    fprintf(stderr, "sidelight: payload ignored: %s; picture is unfiltered\n", sidelight_strerror(result));
    return SIDELIGHT_MODE_OFF;
  }
  return base ? SIDELIGHT_MODE_BASE : result;
}

static int write_picture(const Options *o, const uint8_t *jpeg, size_t size, const Planes *planes) {
  Image image;
  if (o->format == FORMAT_Y4M)
    return planes_write_y4m(o->out, planes);
  if (!planes_to_image(planes, &image))
    return 0;
  int ok = o->format != FORMAT_PNG || jpeg_read_metadata(o->in, jpeg, size, &image.metadata);
  ok = ok && image_write(o->out, o->format, &image);
  image_free(&image);
  return ok;
}

int main(int argc, char **argv) {
  Options o;
  size_t size = 0;
  uint8_t *jpeg = NULL;
  Planes decoded = {0}, filtered = {0};
  SidelightDecoder *decoder = NULL;
  int status = EXIT_FAILURE;

  if (!parse(argc, argv, &o))
    return EXIT_FAILURE;
  /* Standard output may be where the picture goes. */
  FILE *summary = output_is_regular(o.out) ? stdout : stderr;
  double start = 1e3 * now();
  jpeg = file_read(o.in, &size);
  if (!jpeg || !jpeg_decode_planes(o.in, jpeg, size, &decoded))
    goto done;
  double decode = 1e3 * now();

  int result = sidelight_decoder_open(&o.decoder, &decoder);
  if (result < 0) {
    fprintf(stderr, "sidelight: %s\n", sidelight_strerror(result));
    goto done;
  }
  int mode = choose(decoder, &o, jpeg, size);
  double model = 1e3 * now();
  const Planes *shown = &decoded;
  if (mode != SIDELIGHT_MODE_OFF) {
    if (!planes_like(&decoded, &filtered))
      goto done;
    result = sidelight_decoder_filter(decoder, &decoded.picture, &filtered.picture);
    if (result == 0) {
      shown = &filtered;
    } else {
      fprintf(stderr, "sidelight: %s; picture is unfiltered\n", sidelight_strerror(result));
      mode = SIDELIGHT_MODE_OFF;
    }
  }
  double filter = 1e3 * now();

  if (!write_picture(&o, jpeg, size, shown))
    goto done;
  fprintf(summary, "%s: %u x %u, decode %.1f ms, payload and model %.1f ms, filter %.1f ms\n", mode_name(mode),
         decoded.picture.width, decoded.picture.height, decode - start, model - decode,
         filter - model);
  if (printed(summary))
    status = decoded.damaged ? 2 : EXIT_SUCCESS;

done:
  sidelight_decoder_close(&decoder);
  planes_free(&filtered);
  planes_free(&decoded);
  free(jpeg);
  return status;
}

/* "png", "ppm" or "y4m"; "pgm" too where it is a file's name. 0 if it is none of them. */
static int parse_format(const char *text, int *format) {
  static const char *const names[] = {"png", "ppm", "y4m", "pgm"};
  static const int formats[] = {FORMAT_PNG, FORMAT_PNM, FORMAT_Y4M, FORMAT_PNM};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcasecmp(text, names[i]) == 0) {
      *format = formats[i];
      return 1;
    }
  }
  return 0;
}

/* The format that the name of OUT asks for. */
static int format_of(const char *path, int *format) {
  const char *dot = strrchr(path, '.');
  if (!is_standard(path))
    return dot && parse_format(dot + 1, format);
  *format = FORMAT_PNG;
  return 1;
}

static int parse(int argc, char **argv, Options *o) {
  static const struct option options[] = {
      {"mode", required_argument, NULL, 'm'},
      {"threads", required_argument, NULL, 't'},
      {"model-size", required_argument, NULL, 'l'},
      {"format", required_argument, NULL, 'f'},
      {"help", no_argument, NULL, 'h'},
      {NULL, 0, NULL, 0},
  };
  memset(o, 0, sizeof *o);
  o->mode = -1;
  o->format = -1;
  int c;
  while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
    int ok = 1;
    long n;
    switch (c) {
    case 'm':
      ok = parse_mode(optarg, &o->mode);
      break;
    case 'l':
      ok = parse_model_size(optarg, &o->decoder.model_size);
      break;
    case 'f':
      ok = parse_format(optarg, &o->format);
      break;
    case 't':
      ok = parse_number(optarg, 0, 256, &n);
      o->decoder.threads = (uint32_t)n;
      break;
    case 'h':
      fputs(usage, stdout);
      exit(EXIT_SUCCESS);
    default:
      fputs(usage, stderr);
      return 0;
    }
    if (!ok) {
      fprintf(stderr, "jpeg_decode: bad value '%s'\n%s", optarg, usage);
      return 0;
    }
  }
  if (argc - optind != 2) {
    fputs(usage, stderr);
    return 0;
  }
  o->in = argv[optind];
  o->out = argv[optind + 1];
  if (o->format < 0 && !format_of(o->out, &o->format)) {
    fprintf(stderr, "jpeg_decode: '%s' is neither .png, .ppm nor .y4m, and there is no --format\n", o->out);
    return 0;
  }
  return 1;
}

/* Times the decoder: a raw frame through the base model, or a JPEG through all its steps.
 *
 *   bench_filter [options] --size WxH --format FORMAT FRAME
 *   bench_filter [options] --jpeg FILE.jpg
 *
 * Prints the median of each step. */
#include "command_line.h"
#include "jpeg_planes.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: bench_filter [options] --size WxH --format FORMAT FRAME\n"
    "       bench_filter [options] --jpeg FILE.jpg\n"
    "  --format FORMAT  gray or yuv420p, 422p, 444p, 440p, 411p; with 10le or 12le behind it for samples\n"
    "                   of 10 or 12 bits in two bytes\n"
    "  --repeat N       repetitions, 1 to 10000 (default 20)\n"
    "  --threads N      threads, 0 = one for each core (default 1)\n"
    "  --model-size S   small, medium or large base model, where there is no payload (default medium)\n"
    "  --cpu LEVEL      scalar, sse41, avx2, avxvnni, avx512, neon, dotprod or best: the highest to use\n"
    "                   (default best)\n"
    "  --out FILE       where to write the filtered planes\n";

typedef struct Options {
  uint32_t width, height;
  int layout; /* a SidelightLayout, or -1 */
  uint32_t bit_depth;
  int repeat;
  SidelightDecoderSettings decoder;
  int jpeg;
  const char *in, *out;
} Options;

enum { DECODE, PAYLOAD, MODEL, FILTER, STEPS };
static const char *const step_names[STEPS] = {"JPEG decode", "params and payload", "model", "filter"};

static int parse(int argc, char **argv, Options *o);

static int failed(int result) {
  if (result < 0)
    fprintf(stderr, "sidelight: %s\n", sidelight_strerror(result));
  return result < 0;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *ms, int count) {
  qsort(ms, (size_t)count, sizeof *ms, compare);
  return (ms[(count - 1) / 2] + ms[count / 2]) / 2;
}

/* Planes one after the other, as in the file. */
static size_t lay_out(const Options *o, uint8_t *memory, SidelightPicture *p) {
  size_t at = 0;
  memset(p, 0, sizeof *p);
  p->width = o->width;
  p->height = o->height;
  p->layout = (uint32_t)o->layout;
  p->bit_depth = o->bit_depth;
  for (int i = 0; i < plane_count(p); i++) {
    size_t row = (size_t)plane_width(p, i) * (o->bit_depth > 8 ? 2 : 1);
    p->data[i] = memory ? memory + at : NULL;
    p->stride[i] = (ptrdiff_t)row;
    at += row * plane_height(p, i);
  }
  return at;
}

static int write_planes(const char *path, const SidelightPicture *p) {
  OutputFile file;
  if (!output_open(&file, path))
    return 0;
  for (int i = 0; i < plane_count(p); i++) {
    size_t row = (size_t)plane_width(p, i) * (p->bit_depth > 8 ? 2 : 1);
    for (uint32_t y = 0; y < plane_height(p, i); y++)
      fwrite((uint8_t *)p->data[i] + (size_t)p->stride[i] * y, 1, row, file.stream);
  }
  return output_close(&file, 1);
}

/* `ms[step]` gets the time of each repetition. */
static int bench_frame(const Options *o, SidelightDecoder *decoder, double *ms[STEPS]) {
  SidelightPicture in, out;
  size_t have = 0, size = lay_out(o, NULL, &in);
  uint8_t *frame = file_read(o->in, &have), *filtered = malloc(size);
  int ok = 0;
  if (!frame || !filtered)
    goto done;
  if (have < size) {
    fprintf(stderr, "bench_filter: '%s' has %zu bytes, a frame %zu\n", o->in, have, size);
    goto done;
  }
  lay_out(o, frame, &in);
  lay_out(o, filtered, &out);
  /* Speed does not depend on the table. */
  SidelightCodecParams params = {.codec = SIDELIGHT_CODEC_JPEG};
  for (int i = 0; i < 64; i++)
    params.quant[0][i] = 30;
  if (failed(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params)))
    goto done;
  /* The first one warms up. */
  for (int i = -1; i < o->repeat; i++) {
    double start = 1e3 * now();
    if (failed(sidelight_decoder_filter(decoder, &in, &out)))
      goto done;
    if (i >= 0)
      ms[FILTER][i] = 1e3 * now() - start;
  }
  ok = !o->out || write_planes(o->out, &out);
done:
  free(frame);
  free(filtered);
  return ok;
}

/* One pass from bytes to planes; a file without a payload gets the base model. */
static int run_jpeg(const Options *o, SidelightDecoder *decoder, const uint8_t *jpeg, size_t size,
                    Planes *in, Planes *out, double at[STEPS + 1]) {
  SidelightCodecParams params;
  SidelightBuffer payload = {0};
  at[DECODE] = 1e3 * now();
  if (!jpeg_decode_planes(o->in, jpeg, size, in))
    return 0;
  at[PAYLOAD] = 1e3 * now();
  int result = sidelight_jpeg_read(jpeg, size, &params, &payload);
  at[MODEL] = 1e3 * now();
  if (result == 0)
    result = sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params);
  else if (result > 0)
    result = sidelight_decoder_set_payload(decoder, payload.data, payload.size, &params);
  sidelight_buffer_unref(&payload);
  at[FILTER] = 1e3 * now();
  if (failed(result) || !planes_like(in, out))
    return 0;
  result = sidelight_decoder_filter(decoder, &in->picture, &out->picture);
  at[STEPS] = 1e3 * now();
  return !failed(result);
}

static int bench_jpeg(Options *o, SidelightDecoder *decoder, double *ms[STEPS]) {
  size_t size = 0;
  uint8_t *jpeg = file_read(o->in, &size);
  int ok = jpeg != NULL;
  for (int i = -1; ok && i < o->repeat; i++) {
    Planes in = {0}, out = {0};
    double at[STEPS + 1];
    ok = run_jpeg(o, decoder, jpeg, size, &in, &out, at);
    for (int s = 0; ok && i >= 0 && s < STEPS; s++)
      ms[s][i] = at[s + 1] - at[s];
    if (ok && i + 1 == o->repeat && o->out)
      ok = write_planes(o->out, &out.picture);
    o->width = in.picture.width;
    o->height = in.picture.height;
    planes_free(&in);
    planes_free(&out);
  }
  free(jpeg);
  return ok;
}

int main(int argc, char **argv) {
  Options o;
  SidelightDecoder *decoder = NULL;
  if (!parse(argc, argv, &o))
    return EXIT_FAILURE;
  double *ms[STEPS], *memory = calloc((size_t)(STEPS * o.repeat), sizeof *memory);
  int ok = memory != NULL && !failed(sidelight_decoder_open(&o.decoder, &decoder));
  for (int s = 0; ok && s < STEPS; s++)
    ms[s] = memory + s * o.repeat;
  ok = ok && (o.jpeg ? bench_jpeg(&o, decoder, ms) : bench_frame(&o, decoder, ms));
  if (ok) {
    double filter = median(ms[FILTER], o.repeat), pixels = (double)o.width * o.height;
    printf("%u x %u, median of %d\n", o.width, o.height, o.repeat);
    for (int s = 0; o.jpeg && s < FILTER; s++)
      printf("%-18s %9.3f ms\n", step_names[s], median(ms[s], o.repeat));
    printf("%-18s %9.3f ms %9.2f Mpx/s\n", step_names[FILTER], filter, 1e-3 * pixels / filter);
    ok = printed(stdout);
  }
  sidelight_decoder_close(&decoder);
  free(memory);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int parse_size(const char *text, Options *o) {
  char first[8] = {0};
  size_t digits = strcspn(text, "x");
  long width, height;
  if (text[digits] != 'x' || digits >= sizeof first)
    return 0;
  memcpy(first, text, digits);
  if (!parse_number(first, 1, 65535, &width) || !parse_number(text + digits + 1, 1, 65535, &height))
    return 0;
  o->width = (uint32_t)width;
  o->height = (uint32_t)height;
  return 1;
}

static int parse_format(const char *text, Options *o) {
  static const char *const layouts[] = {"gray",    "yuv420p", "yuv422p",
                                        "yuv444p", "yuv440p", "yuv411p"};
  static const struct {
    const char *suffix;
    uint32_t bits;
  } depths[] = {{"", 8}, {"10le", 10}, {"12le", 12}};
  for (int i = 0; i < (int)(sizeof layouts / sizeof *layouts); i++) {
    size_t n = strlen(layouts[i]);
    for (int d = 0; strncmp(text, layouts[i], n) == 0 && d < 3; d++) {
      if (strcmp(text + n, depths[d].suffix) == 0) {
        o->layout = i;
        o->bit_depth = depths[d].bits;
        return 1;
      }
    }
  }
  return 0;
}

static int parse_level(const char *text) {
  static const struct {
    const char *name;
    SidelightCpuLevel level;
  } levels[] = {{"scalar", SIDELIGHT_CPU_LEVEL_SCALAR},
                {"sse41", SIDELIGHT_CPU_LEVEL_SSE41},
                {"avx2", SIDELIGHT_CPU_LEVEL_AVX2},
                {"avxvnni", SIDELIGHT_CPU_LEVEL_AVXVNNI},
                {"avx512", SIDELIGHT_CPU_LEVEL_AVX512},
                {"neon", SIDELIGHT_CPU_LEVEL_NEON},
                {"dotprod", SIDELIGHT_CPU_LEVEL_DOTPROD},
                {"best", SIDELIGHT_CPU_LEVEL_BEST}};
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
    if (strcmp(text, levels[i].name) == 0)
      return sidelight_set_cpu_level(levels[i].level) == 0;
  }
  return 0;
}

static int parse(int argc, char **argv, Options *o) {
  static const struct option options[] = {
      {"size", required_argument, NULL, 's'},    {"format", required_argument, NULL, 'f'},
      {"jpeg", required_argument, NULL, 'j'},    {"repeat", required_argument, NULL, 'r'},
      {"threads", required_argument, NULL, 't'}, {"cpu", required_argument, NULL, 'c'},
      {"out", required_argument, NULL, 'o'},     {"help", no_argument, NULL, 'h'},
      {"model-size", required_argument, NULL, 'l'},
      {NULL, 0, NULL, 0},
  };
  memset(o, 0, sizeof *o);
  o->decoder.threads = 1;
  o->repeat = 20;
  o->layout = -1;
  int c;
  while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
    int ok = 1;
    long n = 0;
    switch (c) {
    case 's': ok = parse_size(optarg, o); break;
    case 'f': ok = parse_format(optarg, o); break;
    case 'j':
      o->jpeg = 1;
      o->in = optarg;
      break;
    case 'r':
      ok = parse_number(optarg, 1, 10000, &n);
      o->repeat = (int)n;
      break;
    case 'l':
      ok = parse_model_size(optarg, &o->decoder.model_size);
      break;
    case 't':
      ok = parse_number(optarg, 0, 256, &n);
      o->decoder.threads = (uint32_t)n;
      break;
    case 'c': ok = parse_level(optarg); break;
    case 'o': o->out = optarg; break;
    case 'h':
      fputs(usage, stdout);
      exit(EXIT_SUCCESS);
    default:
      fputs(usage, stderr);
      return 0;
    }
    if (!ok) {
      fprintf(stderr, "bench_filter: bad value '%s'\n%s", optarg, usage);
      return 0;
    }
  }
  int frame = argc - optind == 1 && o->layout >= 0 && o->width > 0;
  if (o->jpeg ? argc != optind : !frame) {
    fputs(usage, stderr);
    return 0;
  }
  if (!o->jpeg)
    o->in = argv[optind];
  return 1;
}

/* Times what the library costs a program before the first picture.
 *
 *   bench_load /path/to/libsidelight.so [small|medium|large [repetitions]]
 *
 * Is not linked with the library: it loads it, in a fresh process each time, and prints medians. */
#include "command_line.h"

#include <dlfcn.h>
#include <sidelight.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
    "usage: bench_load /path/to/libsidelight.so [small|medium|large [repetitions]]\n";

enum { LOAD, OPEN, MODEL, AGAIN, CHILD_STEPS, PLAIN = CHILD_STEPS, WITH, STEPS };
static const char *const names[STEPS] = {
    "dlopen",           "decoder opened",         "first model made ready",
    "the same again",   "program without library", "program with library",
};

/* In the child: the times of a first use, to `out`. */
static int child(const char *path, uint32_t size, int out) {
  double ms[CHILD_STEPS], start = now();
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "bench_load: %s\n", dlerror());
    return EXIT_FAILURE;
  }
  int (*open)(const SidelightDecoderSettings *, SidelightDecoder **);
  int (*set_mode)(SidelightDecoder *, uint32_t, const SidelightCodecParams *);
  *(void **)&open = dlsym(library, "sidelight_decoder_open");
  *(void **)&set_mode = dlsym(library, "sidelight_decoder_set_mode");
  ms[LOAD] = 1e3 * (now() - start);
  SidelightDecoderSettings settings = {.model_size = size};
  SidelightDecoder *decoder = NULL;
  SidelightCodecParams params = {.codec = SIDELIGHT_CODEC_JPEG};
  for (int i = 0; i < 64; i++)
    params.quant[0][i] = 30;
  start = now();
  int ok = open && set_mode && open(&settings, &decoder) == 0;
  ms[OPEN] = 1e3 * (now() - start);
  for (int i = MODEL; ok && i <= AGAIN; i++) {
    start = now();
    ok = set_mode(decoder, SIDELIGHT_MODE_BASE, &params) == 0;
    ms[i] = 1e3 * (now() - start);
  }
  ok = ok && write(out, ms, sizeof ms) == (ssize_t)sizeof ms;
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Runs this program again: as a child that loads `path` itself, or as one that ends at once, with the
 * library as if it were linked with it or without. */
static int run(const char *path, const char *size, int step, double ms[STEPS]) {
  static const char self[] = "/proc/self/exe";
  int ends[2], status = 0;
  if (pipe(ends) != 0)
    return 0;
  double start = now();
  pid_t pid = fork();
  if (pid == 0) {
    char number[16];
    snprintf(number, sizeof number, "%d", ends[1]);
    if (step == WITH)
      setenv("LD_PRELOAD", path, 1);
    if (step == LOAD)
      execl(self, self, "--child", number, path, size, (char *)NULL);
    else
      execl(self, self, "--nothing", (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  int ok = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
  if (ok && step != LOAD)
    ms[step] = 1e3 * (now() - start);
  else if (ok)
    ok = read(ends[0], ms, CHILD_STEPS * sizeof *ms) == (ssize_t)(CHILD_STEPS * sizeof *ms);
  close(ends[0]);
  return ok;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  long repeat = 51, out = 0;
  uint32_t size = SIDELIGHT_MODEL_SIZE_DEFAULT;
  if (argc == 2 && strcmp(argv[1], "--nothing") == 0)
    return EXIT_SUCCESS;
  if (argc == 5 && strcmp(argv[1], "--child") == 0 && parse_number(argv[2], 0, 1 << 20, &out) &&
      parse_model_size(argv[4], &size))
    return child(argv[3], size, (int)out);
  const char *library = argv[1], *model = argc > 2 ? argv[2] : "medium";
  if (argc < 2 || argc > 4 || library[0] != '/' || !parse_model_size(model, &size) ||
      (argc == 4 && !parse_number(argv[3], 1, 10000, &repeat))) {
    fputs(usage, stderr);
    return EXIT_FAILURE;
  }
  double(*ms)[STEPS] = calloc((size_t)repeat, sizeof *ms), *column = calloc((size_t)repeat, sizeof *column);
  int ok = ms && column;
  /* The first run warms the page cache. */
  for (long i = -1; ok && i < repeat; i++) {
    double(*row)[STEPS] = &ms[i < 0 ? 0 : i];
    ok = run(library, model, LOAD, *row) && run(library, model, PLAIN, *row) &&
         run(library, model, WITH, *row);
  }
  for (int s = 0; ok && s < STEPS; s++) {
    for (long i = 0; i < repeat; i++)
      column[i] = ms[i][s];
    qsort(column, (size_t)repeat, sizeof *column, compare);
    printf("%-24s %8.3f ms\n", names[s], (column[(repeat - 1) / 2] + column[repeat / 2]) / 2);
  }
  if (!ok)
    fprintf(stderr, "bench_load: '%s' cannot be measured\n", library);
  ok = ok && printed(stdout);
  free(ms);
  free(column);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
